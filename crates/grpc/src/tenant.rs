//! Which tenant a call is for.

use tonic::Status;
use tonic::metadata::MetadataMap;

/// The metadata key, and HTTP header, that names the tenant.
pub const TENANT_HEADER: &str = "asof-tenant";
/// The tenant of a call that names none.
pub const DEFAULT_TENANT: &str = "default";

pub(crate) fn name(metadata: &MetadataMap) -> Result<String, Status> {
    match metadata.get(TENANT_HEADER) {
        None => Ok(DEFAULT_TENANT.to_owned()),
        Some(value) => value.to_str().map(str::to_owned).map_err(|_| {
            Status::invalid_argument(
                "asof-tenant: letters, digits, `-` and `_`, at most 64 of them, are a tenant's name",
            )
        }),
    }
}
