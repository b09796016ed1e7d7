//! `check` and `reindex` of a data folder that no server has open.

use std::path::Path;

use asof_storage::{CheckReport, StorageError};

use crate::EngineError;
use crate::engine::{check_name, names, tenant_path};

/// Told (tenant, done, total) records; `false` stops the work.
pub type Progress<'a> = &'a mut dyn FnMut(&str, u64, u64) -> bool;

/// The tenants that are meant: the one named, or all.
fn chosen(data: &Path, tenant: Option<&str>) -> Result<Vec<String>, EngineError> {
    match tenant {
        None => names(data),
        Some(name) => {
            check_name(name)?;
            if tenant_path(data, name).is_dir() {
                Ok(vec![name.to_owned()])
            } else {
                Err(EngineError::NoTenant(name.to_owned()))
            }
        }
    }
}

/// Verifies commitments, rebuilds the views beside the live ones and compares: (tenant, what was found) for each.
pub fn check(
    data: &Path,
    tenant: Option<&str>,
    progress: Progress<'_>,
) -> Result<Vec<(String, CheckReport)>, EngineError> {
    let mut found = Vec::new();
    for name in chosen(data, tenant)? {
        let mut told =
            |done, total| if progress(&name, done, total) { Ok(()) } else { Err(StorageError::Stopped) };
        let report = asof_storage::check(&tenant_path(data, &name), &mut told)?;
        found.push((name, report));
    }
    Ok(found)
}

/// Drops the views and builds them anew: (tenant, records) for each.
pub fn reindex(
    data: &Path,
    tenant: Option<&str>,
    progress: Progress<'_>,
) -> Result<Vec<(String, u64)>, EngineError> {
    rebuild(data, tenant, false, progress)
}

/// The same for a folder whose write-ahead log is damaged: everything from the first damage on is left out for good.
pub fn recover(
    data: &Path,
    tenant: Option<&str>,
    progress: Progress<'_>,
) -> Result<Vec<(String, u64)>, EngineError> {
    rebuild(data, tenant, true, progress)
}

fn rebuild(
    data: &Path,
    tenant: Option<&str>,
    up_to_damage: bool,
    progress: Progress<'_>,
) -> Result<Vec<(String, u64)>, EngineError> {
    let mut found = Vec::new();
    for name in chosen(data, tenant)? {
        let mut told =
            |done, total| if progress(&name, done, total) { Ok(()) } else { Err(StorageError::Stopped) };
        let records = asof_storage::reindex(&tenant_path(data, &name), up_to_damage, &mut told)?;
        found.push((name, records));
    }
    Ok(found)
}
