//! People of a tenant and what they may do.

use serde::{Deserialize, Serialize};

/// What a member of a tenant may do (REQUIREMENTS SEC-06).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads, writes, and manages the tenant.
    Admin,
    /// Reads and writes conversations.
    Agent,
    /// Reads only.
    Viewer,
}

impl Role {
    /// Whether this role may send messages and change conversations.
    pub const fn may_write(self) -> bool {
        matches!(self, Self::Admin | Self::Agent)
    }
}
