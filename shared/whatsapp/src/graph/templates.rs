//! Template definitions: listing, creating, changing, deleting.
//!
//! These calls carry a definition and do not look into it: its type, and the rules it must keep to, are the
//! caller's.

use super::call::CallError;
use super::{Graph, TemplateId};
use recado_domain::ids::WabaId;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How many templates are asked for at a time (REQUIREMENTS GR-10).
const PAGE: &str = "100";

/// What Meta says about a template that it has taken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CreatedTemplate {
    /// Its id.
    pub id: TemplateId,
    /// Such as `PENDING`; Meta's own word.
    #[serde(default)]
    pub status: Option<String>,
    /// The category that Meta has put it in; it may differ from the one asked for.
    #[serde(default)]
    pub category: Option<String>,
}

impl Graph {
    /// All templates of an account, every page of them, each read as a `T`.
    pub async fn templates<T: DeserializeOwned>(
        &self,
        token: &SecretString,
        waba: &WabaId,
    ) -> Result<Vec<T>, CallError> {
        self.list(token, &[waba.as_str(), "message_templates"], &[("limit", PAGE)]).await
    }

    /// One translation of a template.
    pub async fn template<T: DeserializeOwned>(&self, token: &SecretString, id: &TemplateId) -> Result<T, CallError> {
        self.get(token, &[id.as_str()], &[]).await
    }

    /// Creates a template and submits it for review.
    pub async fn create_template(
        &self,
        token: &SecretString,
        waba: &WabaId,
        definition: &impl Serialize,
    ) -> Result<CreatedTemplate, CallError> {
        self.call(token, self.http.post(self.url(&[waba.as_str(), "message_templates"])).json(definition)).await
    }

    /// Changes one translation of a template and submits it for review again.
    pub async fn edit_template(
        &self,
        token: &SecretString,
        id: &TemplateId,
        changes: &impl Serialize,
    ) -> Result<(), CallError> {
        self.done(token, self.http.post(self.url(&[id.as_str()])).json(changes)).await
    }

    /// Deletes a template by name, in all its languages.
    pub async fn delete_template(&self, token: &SecretString, waba: &WabaId, name: &str) -> Result<(), CallError> {
        self.delete_templates(token, waba, &[("name", name)]).await
    }

    /// Deletes one translation of a template. Meta wants its name as well.
    pub async fn delete_template_translation(
        &self,
        token: &SecretString,
        waba: &WabaId,
        name: &str,
        id: &TemplateId,
    ) -> Result<(), CallError> {
        self.delete_templates(token, waba, &[("hsm_id", id.as_str()), ("name", name)]).await
    }

    async fn delete_templates(
        &self,
        token: &SecretString,
        waba: &WabaId,
        query: &[(&str, &str)],
    ) -> Result<(), CallError> {
        self.done(token, self.http.delete(self.url_with(&[waba.as_str(), "message_templates"], query))).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use recado_testkit::samples;
    use serde_json::{Value, json};
    use wiremock::matchers::{body_json, method, path, query_param, query_param_is_missing};
    use wiremock::{Mock, MockBuilder, MockServer, ResponseTemplate};

    fn token() -> SecretString {
        "the-token".into()
    }

    fn waba() -> WabaId {
        WabaId::parse("102938475610293").unwrap()
    }

    fn id() -> TemplateId {
        TemplateId::parse("1689556900000001").unwrap()
    }

    fn at(verb: &str) -> MockBuilder {
        Mock::given(method(verb)).and(path("/v26.0/102938475610293/message_templates"))
    }

    fn answer(body: &Value) -> ResponseTemplate {
        ResponseTemplate::new(200).set_body_json(body)
    }

    #[tokio::test]
    async fn templates_are_listed_to_the_end() {
        let server = MockServer::start().await;
        let first = || at("GET").and(query_param("limit", "100"));
        first()
            .and(query_param_is_missing("after"))
            .respond_with(ResponseTemplate::new(200).set_body_bytes(samples::graph("graph_templates_page.json")))
            .mount(&server)
            .await;
        first()
            .and(query_param("after", "MjQZD"))
            .respond_with(answer(&json!({"data": [{"id": "2", "name": "other"}], "paging": {"cursors": {}}})))
            .mount(&server)
            .await;
        let graph = Graph::new(&server.uri(), "v26.0").unwrap();
        let templates: Vec<Value> = graph.templates(&token(), &waba()).await.unwrap();
        let names: Vec<_> = templates.iter().map(|template| template["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["job_scheduled", "other"]);
    }

    #[tokio::test]
    async fn a_template_is_created_read_changed_and_deleted() {
        let server = MockServer::start().await;
        let definition = json!({"name": "job_scheduled", "language": "es_AR", "category": "UTILITY"});
        at("POST")
            .and(body_json(&definition))
            .respond_with(answer(&json!({"id": "1689556900000001", "status": "PENDING", "category": "MARKETING"})))
            .mount(&server)
            .await;
        let one = |verb| Mock::given(method(verb)).and(path("/v26.0/1689556900000001"));
        one("GET").respond_with(answer(&json!({"name": "job_scheduled"}))).mount(&server).await;
        let done = json!({"success": true});
        one("POST").and(body_json(json!({"components": []}))).respond_with(answer(&done)).mount(&server).await;
        at("DELETE")
            .and(query_param("name", "job_scheduled"))
            .and(query_param_is_missing("hsm_id"))
            .respond_with(answer(&done))
            .expect(1)
            .mount(&server)
            .await;
        at("DELETE")
            .and(query_param("name", "job_scheduled"))
            .and(query_param("hsm_id", "1689556900000001"))
            .respond_with(answer(&done))
            .expect(1)
            .mount(&server)
            .await;

        let graph = Graph::new(&server.uri(), "v26.0").unwrap();
        let created = graph.create_template(&token(), &waba(), &definition).await.unwrap();
        assert_eq!((created.id, created.category.as_deref()), (id(), Some("MARKETING")));
        let read: Value = graph.template(&token(), &id()).await.unwrap();
        assert_eq!(read["name"], "job_scheduled");
        graph.edit_template(&token(), &id(), &json!({"components": []})).await.unwrap();
        graph.delete_template(&token(), &waba(), "job_scheduled").await.unwrap();
        graph.delete_template_translation(&token(), &waba(), "job_scheduled", &id()).await.unwrap();
    }
}
