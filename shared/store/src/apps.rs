//! A tenant's own Meta apps. Their secrets are not here: what is here says which there are.

use crate::TenantStore;
use crate::error::StoreError;
use crate::expression::{ABSENT, Expression, PRESENT};
use crate::item;
use crate::keys::{APPS, Key};
use crate::once::Once;
use crate::transaction::Outcome;
use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;
use recado_domain::ids::AppKey;
use serde::{Deserialize, Serialize};

/// One of a tenant's own Meta apps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantApp {
    /// What it is called in the webhook's path.
    pub app: AppKey,
    /// Meta's id of it.
    pub meta_id: String,
    /// When its secret was told last.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub secret_set_at: Timestamp,
    /// Whether the secret before it is still accepted.
    #[serde(default)]
    pub is_rotating: bool,
    /// Counts the changes, and the numbers that were connected with it.
    #[serde(default, skip_serializing_if = "item::is_zero")]
    rev: u64,
}

/// What became of removing an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovedApp {
    /// It is no longer listed.
    Done,
    /// There is no such app.
    None,
    /// A number of the tenant receives by it. Nothing was removed.
    InUse,
}

impl TenantApp {
    /// An app that is told of for the first time.
    pub const fn new(app: AppKey, meta_id: String, now: Timestamp) -> Self {
        Self { app, meta_id, secret_set_at: now, is_rotating: false, rev: 1 }
    }
}

impl TenantStore {
    /// The tenant's own apps.
    pub async fn apps(&self) -> Result<Vec<TenantApp>, StoreError> {
        const OPERATION: &str = "listing a tenant's apps";
        let items = self.partition(OPERATION, &Key::tenant(self.tenant).pk, APPS).await?;
        items.into_iter().map(|item| item::record(OPERATION, item)).collect()
    }

    /// One of them.
    pub async fn app(&self, app: &AppKey) -> Result<Option<TenantApp>, StoreError> {
        const OPERATION: &str = "reading a tenant's app";
        let found = self.get(OPERATION, Key::app(self.tenant, app)).await?;
        found.map(|item| item::record(OPERATION, item)).transpose()
    }

    /// Lists an app whose secret has been kept, and notes the request that asked for it. An app that is listed
    /// already stays as it is.
    ///
    /// **Once** by its key, put only if absent.
    pub async fn add_app_once(&self, app: &TenantApp, once: Option<&Once>) -> Result<(), StoreError> {
        let item = item::item(Key::app(self.tenant, &app.app), "app", app);
        let write = Expression::new().when(ABSENT).into_put(self.table(), item);
        match (self.store.transact_once("listing a tenant's app", vec![write], once, &app.meta_id).await?, once) {
            (Outcome::Refused(_), Some(once)) => self.store.remember(once, &app.meta_id).await,
            (Outcome::Done | Outcome::Refused(_), _) => Ok(()),
        }
    }

    /// Notes that an app's secret was told anew, or that the one before it was dropped, and the request that
    /// asked for it. Of an app that is not listed any more, nothing is noted.
    pub async fn note_secret_once(
        &self,
        app: &TenantApp,
        set_at: Timestamp,
        is_rotating: bool,
        once: Option<&Once>,
    ) -> Result<(), StoreError> {
        let note = Expression::new()
            .set("secretSetAt", set_at.as_millisecond())
            .set("isRotating", is_rotating)
            .add("rev", 1)
            .when(PRESENT)
            .into_update(self.table(), Key::app(self.tenant, &app.app));
        match self.store.transact_once("noting an app's secret", vec![note], once, &app.meta_id).await? {
            Outcome::Done | Outcome::Refused(_) => Ok(()),
        }
    }

    /// Takes an app off the list, unless a number receives by it.
    ///
    /// **No number loses its app**: connecting one counts at the app, and the app is removed only if nothing
    /// was counted since the numbers were read.
    pub async fn remove_app(&self, app: &AppKey) -> Result<RemovedApp, StoreError> {
        let Some(listed) = self.app(app).await? else { return Ok(RemovedApp::None) };
        if self.connected_numbers().await?.iter().any(|number| number.number.app == *app) {
            return Ok(RemovedApp::InUse);
        }
        let unused = Expression::new().at("rev", listed.rev).into_delete(self.table(), Key::app(self.tenant, app));
        match self.transact("removing a tenant's app", vec![unused]).await? {
            Outcome::Done => Ok(RemovedApp::Done),
            Outcome::Refused(_) => Err(StoreError::Contended { operation: "removing a tenant's app" }),
        }
    }

    /// That a number receives by one of the tenant's apps, which must be listed.
    pub(crate) fn app_in_use(&self, app: &AppKey) -> TransactWriteItem {
        Expression::new().add("rev", 1).when(PRESENT).into_update(self.table(), Key::app(self.tenant, app))
    }
}
