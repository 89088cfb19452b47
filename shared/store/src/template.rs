//! Templates, as Meta tells of them.

use crate::TenantStore;
use crate::error::StoreError;
use crate::item::{self, Item};
use crate::keys::{Key, TEMPLATES, templates_partition};
use recado_domain::ids::WabaId;
use recado_domain::status::Learned;
use recado_domain::template::{TemplateFact, TemplateKey, TemplateState};
use serde::{Deserialize, Serialize};

/// A template of one of the tenant's accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// What it is called.
    #[serde(flatten)]
    pub key: TemplateKey,
    /// The account whose template it is.
    pub waba_id: WabaId,
    /// What was told of it.
    #[serde(flatten)]
    pub state: TemplateState,
}

impl TenantStore {
    /// Adds what was told of a template. One that nobody has heard of begins to exist by it, knowing no
    /// more than that.
    ///
    /// **In any order and any number of times**: one conditional update of one aspect, by [`TemplateState`]'s
    /// rule.
    pub async fn learn_of_template(
        &self,
        waba: &WabaId,
        key: &TemplateKey,
        fact: &TemplateFact,
    ) -> Result<Learned, StoreError> {
        const OPERATION: &str = "learning of a template";
        let made = Template { key: key.clone(), waba_id: waba.clone(), state: TemplateState::default() };
        let made = item::item(Key::template(self.tenant, waba, key), "template", &made);
        match fact {
            TemplateFact::Standing(told) => self.tell(OPERATION, made, "standing", told).await,
            TemplateFact::Quality(told) => self.tell(OPERATION, made, "quality", told).await,
            TemplateFact::Category(told) => self.tell(OPERATION, made, "category", told).await,
            TemplateFact::ComingCategory(told) => self.tell(OPERATION, made, "comingCategory", told).await,
            TemplateFact::Components(told) => self.tell(OPERATION, made, "components", told).await,
        }
    }

    /// One of the tenant's templates.
    pub async fn template(&self, waba: &WabaId, key: &TemplateKey) -> Result<Option<Template>, StoreError> {
        let item = self.get("reading a template", Key::template(self.tenant, waba, key)).await?;
        item.map(template).transpose()
    }

    /// All of the tenant's templates, by name, then language, then account.
    pub async fn templates(&self) -> Result<Vec<Template>, StoreError> {
        let items = self.partition("listing templates", &templates_partition(self.tenant), TEMPLATES).await?;
        items.into_iter().map(template).collect()
    }
}

fn template(item: Item) -> Result<Template, StoreError> {
    item::record("reading a template", item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use recado_domain::as_of::{AsOf, Told};
    use recado_domain::ids::TenantId;
    use recado_domain::template::{ComingCategory, TemplateComponents};
    use serde_json::json;

    #[test]
    fn a_stored_template_reads_back() {
        let key = TemplateKey::parse("job_scheduled", "es_AR").unwrap();
        let waba = WabaId::parse("1").unwrap();
        let as_of = AsOf::new(jiff::Timestamp::from_second(7).unwrap(), 0, "payload");
        let mut state = TemplateState::default();
        let from = Some(jiff::Timestamp::from_second(9).unwrap());
        let coming = ComingCategory { wa_template_id: None, category: "MARKETING".to_owned(), from };
        state.learn(TemplateFact::ComingCategory(Told { as_of, value: coming }));
        let parts = json!([{"type": "BODY", "text": "Hola {{1}}"}]);
        let components = TemplateComponents { wa_template_id: None, parts };
        state.learn(TemplateFact::Components(Told { as_of, value: components }));
        let stored = Template { key: key.clone(), waba_id: waba.clone(), state };
        let item = item::item(Key::template(TenantId::from_bits(1), &waba, &key), "template", &stored);
        assert_eq!(item["name"].as_s().unwrap(), "job_scheduled");
        assert_eq!(template(item).unwrap(), stored);
    }
}
