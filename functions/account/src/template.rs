//! What a webhook value says of a template. Pure.

use crate::read::{Fact, News, Read, Source, known, of_account, sentence};
use recado_domain::ids::WaTemplateId;
use recado_domain::template::{
    CATEGORY_CHANGED, CATEGORY_MENTIONED, ComingCategory, Standing, TemplateCategory, TemplateComponents, TemplateFact,
    TemplateKey, TemplateQuality, TemplateStatus, weight_of_score,
};
use recado_whatsapp::webhook::template::{self as meta, CategoryChange};

impl Source<'_> {
    pub(crate) fn template_status(&self, told: &meta::TemplateStatus) -> Read {
        let key = key(&told.message_template_name, &told.message_template_language)?;
        let word = known(told.event.as_ref().map(meta::TemplateEvent::as_str)).ok_or("it says no event")?;
        let status = TemplateStatus::of(&word);
        let why = |told: &meta::TemplateStatus| {
            let rejected = told.rejection_info.as_ref().and_then(|info| info.reason.as_ref());
            let paused = told.other_info.as_ref().and_then(|info| info.description.as_ref().or(info.title.as_ref()));
            let disabled = told.disable_info.as_ref().and_then(|info| info.disable_date.as_ref());
            sentence(rejected.or(paused).or(disabled))
        };
        let wa_template_id = id(&told.message_template_id);
        let standing = Standing {
            wa_template_id: wa_template_id.clone(),
            status: status.clone(),
            reason: known(told.reason.as_ref().map(meta::TemplateReason::as_str)).filter(|reason| reason != "NONE"),
            details: why(told),
            recommendation: sentence(told.rejection_info.as_ref().and_then(|info| info.recommendation.as_ref())),
        };
        let mut facts = vec![TemplateFact::Standing(self.told(status.weight(), standing))];
        if let Some(category) = known(told.message_template_category.as_ref().map(meta::TemplateCategory::as_str)) {
            let category = TemplateCategory { wa_template_id, category };
            facts.push(TemplateFact::Category(self.told(CATEGORY_MENTIONED, category)));
        }
        Ok(of_template(&key, facts))
    }

    pub(crate) fn template_quality(&self, told: &meta::TemplateQuality) -> Read {
        let key = key(&told.message_template_name, &told.message_template_language)?;
        let score = known(told.new_quality_score.as_ref().map(meta::QualityScore::as_str)).ok_or("it says no score")?;
        let weight = weight_of_score(&score);
        let quality = TemplateQuality { wa_template_id: id(&told.message_template_id), score };
        Ok(of_template(&key, vec![TemplateFact::Quality(self.told(weight, quality))]))
    }

    pub(crate) fn template_category(&self, told: &meta::TemplateCategoryUpdate) -> Read {
        let key = key(&told.message_template_name, &told.message_template_language)?;
        let wa_template_id = id(&told.message_template_id);
        let word = |category: &meta::TemplateCategory| known(Some(category.as_str())).ok_or("it says no category");
        let is_for = |weight, category| {
            let category = TemplateCategory { wa_template_id: wa_template_id.clone(), category };
            TemplateFact::Category(self.told(weight, category))
        };
        let facts = match told.change().ok_or("it says no category")? {
            CategoryChange::Done { to } => vec![is_for(CATEGORY_CHANGED, word(to)?)],
            CategoryChange::Announced { to, at } => {
                let coming = ComingCategory { wa_template_id: wa_template_id.clone(), category: word(to)?, from: at };
                let mut facts = vec![TemplateFact::ComingCategory(self.told(0, coming))];
                // In an announcement, this is the present one.
                if let Some(present) = &told.new_category {
                    facts.push(is_for(CATEGORY_MENTIONED, word(present)?));
                }
                facts
            }
        };
        Ok(of_template(&key, facts))
    }

    pub(crate) fn template_components(&self, told: &meta::TemplateComponents) -> Read {
        let key = key(&told.message_template_name, &told.message_template_language)?;
        let parts = told.parts();
        if parts.as_array().is_none_or(Vec::is_empty) {
            return Err("it says no part");
        }
        let components = TemplateComponents { wa_template_id: id(&told.message_template_id), parts };
        Ok(of_template(&key, vec![TemplateFact::Components(self.told(0, components))]))
    }
}

fn key(name: &Option<String>, language: &Option<String>) -> Result<TemplateKey, &'static str> {
    let (Some(name), Some(language)) = (name, language) else {
        return Err("it does not say which template it is about");
    };
    TemplateKey::parse(name, language).map_err(|_| "it is about no name that a template can have")
}

fn id(text: &Option<String>) -> Option<WaTemplateId> {
    text.as_ref().and_then(|text| WaTemplateId::parse(text).ok())
}

fn of_template(key: &TemplateKey, facts: Vec<TemplateFact>) -> News {
    of_account(facts.into_iter().map(|fact| Fact::Template(key.clone(), fact)).collect())
}
