//! Compares the bucket with the files that customers sent.

use super::driver::Driver;
use super::plan::{Customer, File, Text};
use super::report::Report;
use crate::lab::Occupant;
use recado_domain::ids::{MessageId, Wamid};
use recado_store::{MediaState, TenantStore};
use std::collections::BTreeSet;

/// Every file must be there, with its own bytes, and nothing else.
pub(super) async fn compare(
    report: &mut Report,
    driver: &Driver,
    tenant: &TenantStore,
    occupant: &Occupant,
    customers: &[&Customer],
) {
    let texts = customers.iter().flat_map(|customer| &customer.texts);
    let mut known = BTreeSet::new();
    for (text, file) in texts.filter_map(|text| Some((text, text.file()?))) {
        report.files += 1;
        match stored(driver, tenant, occupant, text, file).await {
            Some(object) => drop(known.insert(object)),
            None => report.file_differences += 1,
        }
    }
    let listed = s3(driver).list_objects_v2().bucket(bucket(driver)).prefix(format!("media/{}/", tenant.tenant()));
    let objects = listed.into_paginator().send().try_collect().await.unwrap();
    let keys = objects.iter().flat_map(|page| page.contents()).filter_map(|object| object.key());
    report.orphan_media += keys.filter(|key| !known.contains(*key)).count();
}

/// The key of a file's object, if it is stored with the bytes that were sent.
async fn stored(
    driver: &Driver,
    tenant: &TenantStore,
    occupant: &Occupant,
    text: &Text,
    file: &File,
) -> Option<String> {
    let message = MessageId::of_wamid(&occupant.number, &Wamid::parse(text.wamid.as_str()).unwrap());
    let MediaState::Stored { object, size } = tenant.media(message).await.unwrap()?.state else { return None };
    let got = s3(driver).get_object().bucket(bucket(driver)).key(&object).send().await.ok()?;
    let bytes = got.body.collect().await.ok()?.into_bytes();
    (bytes == file.bytes && size == file.bytes.len() as u64).then_some(object)
}

fn bucket(driver: &Driver) -> &str {
    driver.lab.stack.aws.media_bucket.as_deref().unwrap()
}

fn s3(driver: &Driver) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(&driver.lab.stack.sdk_config()).force_path_style(true);
    aws_sdk_s3::Client::from_conf(config.build())
}
