//! What a fresh local stack is filled with: people who can sign in, and two demo tenants.

use crate::lifecycle::Options;
use crate::report::Step;
use anyhow::{Context, bail};
use recado_testkit::stack::{Stack, Tenant, User};
use serde_json::json;

/// What the simulated Meta signs with. The sample payloads' signatures are made with it too.
pub(crate) const APP_SECRET: &str = "test-app-secret-do-not-use";

/// What verifies a webhook subscription on the local stack.
pub(crate) const VERIFY_TOKEN: &str = "test-verify-token-do-not-use";

/// Whoever registers the demo tenants.
pub(crate) const DEPLOYMENT_ADMIN: &str = "admin@recado.example";

/// The demo people's password. The stack listens on loopback only.
const PASSWORD: &str = "Recado-demo-2026";

struct Demo {
    name: &'static str,
    phone_number_id: &'static str,
    waba_id: &'static str,
    display: &'static str,
    users: [(&'static str, &'static str, &'static str); 2],
}

/// The tenants of the sample payloads.
const DEMOS: [Demo; 2] = [
    Demo {
        name: "Plomería Lucero",
        phone_number_id: "109876543210987",
        waba_id: "102938475610293",
        display: "+54 9 11 5000-1234",
        users: [("ana@lucero.example", "Ana Lucero", "admin"), ("bruno@lucero.example", "Bruno Díaz", "agent")],
    },
    Demo {
        name: "Frío Sur Climatización",
        phone_number_id: "209876543210988",
        waba_id: "203847561029384",
        display: "+54 9 351 400-5678",
        users: [("carla@friosur.example", "Carla Ríos", "admin"), ("diego@friosur.example", "Diego Sosa", "agent")],
    },
];

/// Registers the demo tenants as anybody would: numbers at Meta, people in the user pool, and a
/// deployment administrator who calls the API.
pub(crate) async fn seed(stack: &Stack, options: &Options) -> anyhow::Result<Vec<Tenant>> {
    let step = Step::begin("registering two demo tenants");
    stack.create_user(DEPLOYMENT_ADMIN, PASSWORD).await.context("creating the deployment administrator")?;
    stack.make_deployment_admin(DEPLOYMENT_ADMIN).await.context("making them an administrator")?;
    let token = stack.sign_in(DEPLOYMENT_ADMIN, PASSWORD).await.map_err(anyhow::Error::msg)?;

    let mut tenants = Vec::new();
    for demo in &DEMOS {
        let graph_token = format!("demo-graph-token-{}", demo.phone_number_id);
        let number = json!({
            "phone_number_id": demo.phone_number_id,
            "waba_id": demo.waba_id,
            "token": graph_token,
            "display_phone_number": demo.display,
            "verified_name": demo.name,
        });
        stack.control_put("/numbers", &number).await;
        let mut members = Vec::new();
        for (email, name, role) in demo.users {
            let user_id = stack.create_user(email, PASSWORD).await.with_context(|| format!("creating {email}"))?;
            members.push(json!({"userId": user_id, "email": email, "name": name, "role": role}));
        }
        let request = json!({
            "name": demo.name,
            "phoneNumberId": demo.phone_number_id,
            "wabaId": demo.waba_id,
            "accessToken": graph_token,
            "members": members,
        });
        let answer = stack.post(&token, "/tenants", &request).await;
        let (tenant_id, api_key) = match answer.status {
            201 => {
                let (email, ..) = demo.users[0];
                (answer.body["tenantId"].as_str().unwrap_or_default().to_owned(), Some(api_key(stack, email).await?))
            }
            409 => {
                let Tenant { tenant_id, api_key, .. } = kept_tenant(options, demo.phone_number_id)?;
                (tenant_id, api_key)
            }
            _ => bail!("registering {} failed: {answer:?}", demo.name),
        };
        tenants.push(Tenant {
            tenant_id,
            name: demo.name.to_owned(),
            phone_number_id: demo.phone_number_id.to_owned(),
            waba_id: demo.waba_id.to_owned(),
            users: demo
                .users
                .iter()
                .map(|(email, _, role)| User {
                    email: (*email).to_owned(),
                    password: PASSWORD.to_owned(),
                    role: (*role).to_owned(),
                })
                .collect(),
            api_key,
        });
    }
    step.done();
    Ok(tenants)
}

/// A key for the systems of an administrator's tenant, which may do what an agent may.
async fn api_key(stack: &Stack, admin: &str) -> anyhow::Result<String> {
    let token = stack.sign_in(admin, PASSWORD).await.map_err(anyhow::Error::msg)?;
    let answer = stack.post(&token, "/api-keys", &json!({"name": "Demo", "role": "agent"})).await;
    answer.body["key"].as_str().map(str::to_owned).with_context(|| format!("making an API key failed: {answer:?}"))
}

/// A tenant that was registered in an earlier run whose state was kept.
fn kept_tenant(options: &Options, phone_number_id: &str) -> anyhow::Result<Tenant> {
    let earlier =
        Stack::load(&options.kept_stack_file()).context("the kept state belongs to tenants nobody remembers")?;
    let tenant = earlier.tenants.into_iter().find(|tenant| tenant.phone_number_id == phone_number_id);
    tenant.context("the kept state has another owner for a demo number")
}

/// An access token of a demo user; of the first tenant's first user, if nobody is named.
pub(crate) async fn access_token(stack: &Stack, email: Option<&str>) -> anyhow::Result<String> {
    let users = || stack.tenants.iter().flat_map(|tenant| &tenant.users);
    let (email, password) = match email {
        Some(DEPLOYMENT_ADMIN) => (DEPLOYMENT_ADMIN, PASSWORD),
        _ => users()
            .find(|user| email.is_none_or(|email| email == user.email))
            .map(|user| (user.email.as_str(), user.password.as_str()))
            .with_context(|| format!("no demo user has the e-mail address {}", email.unwrap_or_default()))?,
    };
    stack.sign_in(email, password).await.map_err(anyhow::Error::msg)
}
