//! What comes in is bounded; every bound has its name here.

/// The bounds of a batch. Passing one is an error that says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one batch on the wire.
    pub batch_bytes: usize,
    /// Facts and observations of one batch.
    pub records_per_batch: usize,
    /// Texts in the table of packed observations.
    pub packed_texts: usize,
    /// Bytes of all texts of packed observations once every row has its own.
    pub unpacked_bytes: usize,
    /// Nodes and edges of one full listing.
    pub records_per_listing: usize,
    /// Bytes of one full listing on the wire: it is held in memory until its commit.
    pub listing_bytes: usize,
    /// Bytes of all texts of one record.
    pub bytes_per_record: usize,
    /// Bytes of an id.
    pub id_bytes: usize,
    /// Bytes of a source, batch_id, event_id, name, type, action, region, address or session.
    pub text_bytes: usize,
    /// Bytes of one scope, action glob or coverage glob.
    pub scope_bytes: usize,
    /// Scopes, actions, globs, granted_by or actor_chain entries of one record, each.
    pub list_entries: usize,
    /// Attributes of one record.
    pub attributes_per_record: usize,
    /// Bytes of an attribute's key.
    pub attribute_key_bytes: usize,
    /// Bytes of an attribute's value.
    pub attribute_value_bytes: usize,
}

impl Limits {
    /// The bounds in force.
    pub const DEFAULT: Self = Self {
        batch_bytes: 16 << 20,
        records_per_batch: 20_000,
        packed_texts: 1 << 20,
        unpacked_bytes: 64 << 20,
        records_per_listing: 2_000_000,
        listing_bytes: 1 << 30,
        bytes_per_record: 256 << 10,
        id_bytes: 2_048,
        text_bytes: 2_048,
        scope_bytes: 2_048,
        list_entries: 4_096,
        attributes_per_record: 128,
        attribute_key_bytes: 256,
        attribute_value_bytes: 8_192,
    };
}
