//! Rules that the template keeps.

use api::user_pool::INVITATION_LIFE;
use recado_platform::metrics::{DIMENSION, Metric, Unit};
use recado_testkit::template::{load, repository};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn of_type<'a>(template: &'a Value, kind: &'a str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    template["Resources"].as_object().unwrap().iter().filter(move |(_, resource)| resource["Type"] == kind)
}

fn functions(template: &Value) -> Vec<(&String, &Value)> {
    of_type(template, "AWS::Serverless::Function").collect()
}

fn binary(function: &Value) -> &str {
    function.pointer("/Metadata/BuildProperties/Binary").and_then(Value::as_str).unwrap()
}

#[test]
fn every_binary_has_one_function_and_every_function_a_package() {
    let template = load();
    let deployed: Vec<_> = functions(&template).into_iter().map(|(_, function)| binary(function).to_owned()).collect();
    let folders = std::fs::read_dir(repository().join("functions")).unwrap();
    let packages: BTreeSet<_> = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(deployed.len(), packages.len(), "functions: {deployed:?}, packages: {packages:?}");
    assert_eq!(deployed.into_iter().collect::<BTreeSet<_>>(), packages);
    for (name, function) in functions(&template) {
        assert_eq!(function["Metadata"]["BuildMethod"], "rust-cargolambda", "{name}");
    }
}

#[test]
fn every_main_is_short_and_every_library_says_what_it_promises() {
    for folder in std::fs::read_dir(repository().join("functions")).unwrap() {
        let folder = folder.unwrap().path();
        let read = |file: &str| std::fs::read_to_string(folder.join("src").join(file)).unwrap();
        let lines = read("main.rs").lines().count();
        assert!(lines <= 45, "{} has a main of {lines} lines", folder.display());
        let library = read("lib.rs");
        for promise in ["**Trigger:**", "**Promise:**", "**Idempotency:**", "**On failure:**"] {
            assert!(library.contains(promise), "{} does not state its {promise}", folder.display());
        }
    }
}

#[test]
fn every_queue_has_dead_letters_and_its_own_patience() {
    let template = load();
    let redriven: Vec<_> = of_type(&template, "AWS::SQS::Queue")
        .filter(|(_, queue)| queue["Properties"].get("RedrivePolicy").is_some())
        .collect();
    assert!(redriven.len() >= 4, "only {} queues", redriven.len());
    for (name, queue) in redriven {
        let policy = &queue["Properties"]["RedrivePolicy"];
        let dead_letters = policy["deadLetterTargetArn"]["Fn::GetAtt"][0].as_str().unwrap();
        let target = &template["Resources"][dead_letters];
        assert_eq!(
            target["Properties"]["MessageRetentionPeriod"], 1_209_600,
            "{dead_letters} must keep its messages for 14 days"
        );
        assert!(policy["maxReceiveCount"].as_u64().unwrap() >= 3, "{name}");
        let visibility = queue["Properties"]["VisibilityTimeout"]["Ref"].as_str().unwrap();
        assert!(visibility.ends_with("VisibilityTimeoutSeconds"), "{name} is hidden for {visibility}");
    }
}

#[test]
fn a_failed_message_waits_longer_than_any_worker_runs() {
    let template = load();
    for (name, function) in functions(&template) {
        let properties = &function["Properties"];
        let timeout = properties["Timeout"].as_i64().unwrap();
        for (_, event) in
            properties["Events"].as_object().into_iter().flatten().filter(|(_, event)| event["Type"] == "SQS")
        {
            let queue = event["Properties"]["Queue"]["Fn::GetAtt"][0].as_str().unwrap();
            let parameter = template["Resources"][queue]["Properties"]["VisibilityTimeout"]["Ref"].as_str().unwrap();
            let visibility = template["Parameters"][parameter]["Default"].as_i64().unwrap();
            assert!(
                visibility >= 6 * timeout,
                "{name} runs up to {timeout} s, a message stays hidden for {visibility} s"
            );
            let event = &event["Properties"];
            assert_eq!(event["FunctionResponseTypes"], serde_json::json!(["ReportBatchItemFailures"]), "{name}");
            assert!(event["ScalingConfig"]["MaximumConcurrency"].as_u64().unwrap() >= 2, "{name}");
        }
    }
}

#[test]
fn a_call_to_graph_ends_before_its_function_and_its_function_before_its_lease() {
    let template = load();
    let functions = functions(&template);
    let (_, outbound) = functions.iter().find(|(_, function)| binary(function) == "outbound").unwrap();
    let function = outbound["Properties"]["Timeout"].as_i64().unwrap();
    let call = i64::try_from(recado_whatsapp::graph::CALL_TIMEOUT.as_secs()).unwrap();
    let lease = recado_domain::outbox::LEASE.as_secs();
    assert!(call + 8 < function && function < lease, "call {call} s, function {function} s, lease {lease} s");
}

#[test]
fn a_file_has_time_to_come_and_its_function_ends_before_another_attempt_begins() {
    let template = load();
    let functions = functions(&template);
    let (_, media) = functions.iter().find(|(_, function)| binary(function) == "media").unwrap();
    let function = media["Properties"]["Timeout"].as_i64().unwrap();
    let call = i64::try_from(recado_whatsapp::graph::MEDIA_TIMEOUT.as_secs()).unwrap();
    let lease = recado_domain::media::LEASE.as_secs();
    assert!(call + 20 < function && function < lease, "call {call} s, function {function} s, lease {lease} s");
}

#[test]
fn files_are_private_encrypted_and_left_overs_are_removed() {
    let template = load();
    let buckets: Vec<_> = of_type(&template, "AWS::S3::Bucket").collect();
    assert!(!buckets.is_empty());
    for (name, bucket) in buckets {
        let properties = &bucket["Properties"];
        let block = properties["PublicAccessBlockConfiguration"].as_object().unwrap();
        assert!(
            block.len() == 4 && block.values().all(|blocked| blocked == true),
            "{name} can be made public: {block:?}"
        );
        assert!(properties["BucketEncryption"].is_object(), "{name} is not encrypted");
        let rules = properties["LifecycleConfiguration"]["Rules"].as_array().unwrap();
        let aborts = rules.iter().any(|rule| rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 1);
        assert!(aborts, "what is left of an upload stays in {name} for ever");
    }
}

#[test]
fn the_stream_is_bounded_in_retries_and_age_and_reports_what_it_gave_up() {
    let template = load();
    let streams: Vec<_> = functions(&template)
        .into_iter()
        .flat_map(|(_, function)| function["Properties"]["Events"].as_object().into_iter().flatten())
        .filter(|(_, event)| event["Type"] == "DynamoDB")
        .collect();
    assert_eq!(streams.len(), 1);
    for (name, event) in streams {
        let event = &event["Properties"];
        assert!(event["MaximumRetryAttempts"].as_i64().unwrap() > 0, "{name}");
        assert!(event["MaximumRecordAgeInSeconds"].as_i64().unwrap() > 0, "{name}");
        assert!(event.pointer("/DestinationConfig/OnFailure/Destination").is_some(), "{name}");
    }
}

#[test]
fn every_function_has_a_role_and_a_log_of_its_own() {
    let template = load();
    let mut roles = BTreeSet::new();
    let mut logs = BTreeSet::new();
    for (name, function) in functions(&template) {
        let role = function.pointer("/Properties/Role/Fn::GetAtt/0").and_then(Value::as_str);
        let log = function.pointer("/Properties/LoggingConfig/LogGroup/Ref").and_then(Value::as_str);
        assert!(roles.insert(role.unwrap_or_else(|| panic!("{name} has no role"))), "{name} shares its role");
        assert!(logs.insert(log.unwrap_or_else(|| panic!("{name} has no log"))), "{name} shares its log");
        let retention = &template["Resources"][log.unwrap()]["Properties"]["RetentionInDays"];
        assert_eq!(retention["Ref"], "LogRetentionDays", "the log of {name} is kept for ever");
    }
}

#[test]
fn no_role_may_do_anything_to_everything() {
    let template = load();
    let mut statements = 0;
    for (name, role) in of_type(&template, "AWS::IAM::Role") {
        assert!(
            role["Properties"].get("ManagedPolicyArns").is_none(),
            "{name} takes a policy that is not written here"
        );
        for policy in role["Properties"]["Policies"].as_array().unwrap() {
            for statement in policy["PolicyDocument"]["Statement"].as_array().unwrap() {
                statements += 1;
                for action in statement["Action"].as_array().unwrap() {
                    assert!(!action.as_str().unwrap().contains('*'), "{name} may {action}");
                }
                assert_ne!(statement["Resource"], "*", "{name} reaches everything with {}", statement["Action"]);
            }
        }
    }
    assert!(statements > 16, "only {statements} statements were looked at");
}

#[test]
fn only_who_talks_to_meta_for_a_tenant_decrypts_tokens_and_the_webhook_cannot_touch_the_table() {
    let template = load();
    let may = |action: &str| {
        let roles = of_type(&template, "AWS::IAM::Role").filter(|(_, role)| role.to_string().contains(action));
        roles.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(may("\"kms:Decrypt\""), ["ApiRole", "MediaRole", "OutboundRole"]);
    assert_eq!(may("\"kms:Encrypt\""), ["ApiRole"]);
    let reach = |action: &str, bucket: &str| {
        let roles = of_type(&template, "AWS::IAM::Role").filter(|(_, role)| {
            let policies = role["Properties"]["Policies"].as_array().unwrap().iter();
            let mut statements = policies.flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().unwrap());
            statements.any(|statement| {
                statement["Action"].to_string().contains(action) && statement["Resource"].to_string().contains(bucket)
            })
        });
        roles.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
    };
    // What webhooks are verified with, the webhook reads, and only the API changes: that of the tenants.
    assert_eq!(reach("secretsmanager:GetSecretValue", "/apps-??????"), ["ApiRole", "WebhookRole"]);
    assert_eq!(reach("secretsmanager:GetSecretValue", "/tenant-apps-??????"), ["ApiRole", "WebhookRole"]);
    assert_eq!(reach("secretsmanager:PutSecretValue", "/tenant-apps-??????"), ["ApiRole"]);
    assert_eq!(reach("secretsmanager:PutSecretValue", "/apps-??????"), [""; 0]);
    assert_eq!(reach("s3:PutObject", "MediaBucket"), ["MediaRole"]);
    assert_eq!(reach("s3:GetObject", "MediaBucket"), ["ApiRole"]);
    let workers = ["AccountRole", "InboundRole", "StatusRole"];
    assert_eq!(reach("s3:PutObject", "IntakeBucket"), [&workers[..], &["WebhookRole"]].concat());
    assert_eq!(reach("s3:GetObject", "IntakeBucket"), ["AccountRole", "ApiRole", "InboundRole", "StatusRole"]);
    assert!(!may("dynamodb:").contains(&"WebhookRole"));
    assert_eq!(may("dynamodb:Scan"), [""; 0]);
}

#[test]
fn only_the_api_reaches_the_user_pool_and_only_to_invite() {
    let template = load();
    let mut found = Vec::new();
    for (name, role) in of_type(&template, "AWS::IAM::Role") {
        for policy in role["Properties"]["Policies"].as_array().unwrap() {
            for statement in policy["PolicyDocument"]["Statement"].as_array().unwrap() {
                let actions = statement["Action"].as_array().unwrap().iter().filter_map(Value::as_str);
                let actions: Vec<_> = actions.filter(|action| action.starts_with("cognito")).collect();
                if !actions.is_empty() {
                    found.push((name.as_str(), actions, statement["Resource"].clone()));
                }
            }
        }
    }
    let life =
        &template["Resources"]["UserPool"]["Properties"]["Policies"]["PasswordPolicy"]["TemporaryPasswordValidityDays"];
    assert_eq!(life.as_i64(), Some(INVITATION_LIFE.as_hours() / 24), "when an invitation has lapsed");
    let pool = serde_json::json!({"Fn::GetAtt": ["UserPool", "Arn"]});
    let expected = ("ApiRole", vec!["cognito-idp:AdminCreateUser", "cognito-idp:AdminGetUser"], pool);
    assert_eq!(found, [expected], "who may do what with people's accounts, beyond verifying their tokens");
}

#[test]
fn every_bucket_is_private_and_encrypted_and_lets_claims_expire_after_every_queue_has() {
    let template = load();
    let buckets: Vec<_> = of_type(&template, "AWS::S3::Bucket").collect();
    assert!(!buckets.is_empty());
    for (name, bucket) in buckets {
        let properties = &bucket["Properties"];
        let open = properties["PublicAccessBlockConfiguration"].as_object().unwrap();
        assert!(open.len() == 4 && open.values().all(|blocked| blocked == true), "{name} is not private");
        assert!(properties["BucketEncryption"].is_object(), "{name} is not encrypted");
    }
    let rules = &template["Resources"]["IntakeBucket"]["Properties"]["LifecycleConfiguration"]["Rules"];
    let claims = rules.as_array().unwrap().iter().find(|rule| rule["Prefix"] == "claims/").unwrap();
    // Fourteen days in a queue, and as many after a redrive.
    assert!(claims["ExpirationInDays"].as_i64().unwrap() >= 28);
}

#[test]
fn webhooks_have_a_throttle_of_their_own() {
    let template = load();
    let settings = template["Resources"]["HttpStage"]["Properties"]["RouteSettings"].as_object().unwrap();
    let webhook = |route: &Value| route["Properties"]["Target"].to_string().contains("WebhookIntegration");
    let routes = of_type(&template, "AWS::ApiGatewayV2::Route").filter(|(_, route)| webhook(route));
    let posts =
        routes.filter_map(|(_, route)| route["Properties"]["RouteKey"].as_str()).filter(|key| key.starts_with("POST"));
    let posts: Vec<_> = posts.collect();
    assert_eq!(posts.len(), 3, "{posts:?}");
    for route in posts {
        assert_eq!(settings[route]["ThrottlingRateLimit"]["Ref"], "WebhookRequestsPerSecond", "{route}");
    }
}

/// What an alarm watches: namespace, name, dimensions and statistic of each metric.
fn watched(alarm: &Value) -> Vec<(String, String, Value, String)> {
    let properties = &alarm["Properties"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let simple = |metric: &Value, statistic: &Value| {
        (text(&metric["Namespace"]), text(&metric["MetricName"]), metric["Dimensions"].clone(), text(statistic))
    };
    match properties["Metrics"].as_array() {
        Some(metrics) => {
            let stats = metrics.iter().filter_map(|metric| metric.get("MetricStat"));
            stats.map(|stat| simple(&stat["Metric"], &stat["Stat"])).collect()
        }
        None => {
            let statistic = properties.get("Statistic").or(properties.get("ExtendedStatistic")).unwrap();
            vec![simple(properties, statistic)]
        }
    }
}

/// The resources whose metric of this name some alarm watches.
fn with_alarm(template: &Value, namespace: &str, metric: &str, attribute: &str) -> BTreeSet<String> {
    let mut resources = BTreeSet::new();
    for (_, alarm) in of_type(template, "AWS::CloudWatch::Alarm") {
        for (_, _, dimensions, _) in watched(alarm).iter().filter(|(of, name, ..)| of == namespace && name == metric) {
            for dimension in dimensions.as_array().unwrap().iter().filter(|dimension| dimension["Name"] == attribute) {
                let value = &dimension["Value"];
                let resource = value.get("Ref").or(value.pointer("/Fn::GetAtt/0"));
                resources.extend(resource.and_then(Value::as_str).map(str::to_owned));
            }
        }
    }
    resources
}

#[test]
fn every_alarm_tells_the_topic_and_says_what_it_means() {
    let template = load();
    assert!(of_type(&template, "AWS::CloudWatch::Alarm").count() > 30);
    for (name, alarm) in of_type(&template, "AWS::CloudWatch::Alarm") {
        let properties = &alarm["Properties"];
        assert_eq!(properties["AlarmActions"], serde_json::json!([{"Ref": "AlarmTopic"}]), "nobody hears of {name}");
        assert!(properties["AlarmDescription"].as_str().is_some_and(|text| text.len() > 15), "{name} means nothing");
        let missing = properties["TreatMissingData"].as_str().unwrap();
        let expected = if name == "JanitorSilentAlarm" { "breaching" } else { "notBreaching" };
        assert_eq!(missing, expected, "{name}: a metric that is not told is one of which nothing happened");
    }
}

#[test]
fn every_queue_every_function_and_the_stream_have_their_alarms() {
    let template = load();
    let names = |resources: Vec<(&String, &Value)>| -> BTreeSet<String> {
        resources.into_iter().map(|(name, _)| name.clone()).collect()
    };
    let queues = of_type(&template, "AWS::SQS::Queue").collect::<Vec<_>>();
    let (redriven, ends): (Vec<_>, Vec<_>) =
        queues.into_iter().partition(|(_, queue)| queue["Properties"].get("RedrivePolicy").is_some());
    let (redriven, ends) = (names(redriven), names(ends));
    let depth = with_alarm(&template, "AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName");
    assert!(ends.is_subset(&depth), "dead letters without an alarm: {:?}", ends.difference(&depth));
    assert!(redriven.is_subset(&depth), "backlogs without an alarm: {:?}", redriven.difference(&depth));
    let age = with_alarm(&template, "AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName");
    assert_eq!(age, redriven, "queues whose oldest message's age has an alarm");
    let functions = names(functions(&template));
    for metric in ["Errors", "Throttles"] {
        assert_eq!(
            with_alarm(&template, "AWS/Lambda", metric, "FunctionName"),
            functions,
            "with an alarm for {metric}"
        );
    }
    assert_eq!(with_alarm(&template, "AWS/Lambda", "IteratorAge", "FunctionName").len(), 1);
}

#[test]
fn every_alarm_on_a_metric_of_ours_names_one_that_is_told_as_it_is_told() {
    let template = load();
    let variables = &template["Globals"]["Function"]["Environment"]["Variables"];
    let (namespace, service) = (&variables["POWERTOOLS_METRICS_NAMESPACE"], &variables["POWERTOOLS_SERVICE_NAME"]);
    let mut alarmed = BTreeSet::new();
    for (alarm, properties) in of_type(&template, "AWS::CloudWatch::Alarm") {
        for (of, name, dimensions, statistic) in watched(properties) {
            if of.starts_with("AWS/") {
                continue;
            }
            assert_eq!(of, *namespace, "{alarm} watches a namespace that nobody writes to");
            let metric = Metric::ALL.iter().find(|metric| metric.name() == name);
            let metric = metric.unwrap_or_else(|| panic!("{alarm} watches {name}, which nobody counts"));
            assert_eq!(dimensions, serde_json::json!([{"Name": DIMENSION, "Value": service}]), "{alarm}");
            // A sum of durations, or the 95th percentile of ones, says nothing.
            assert_eq!(statistic == "Sum", metric.unit() == Unit::Count, "{alarm} takes the {statistic} of {name}");
            alarmed.insert(name);
        }
    }
    let worth_an_alarm = [
        "MediaFailed",
        "MediaNearExpiry",
        "MessagesLeftUnknown",
        "NotDurable",
        "OldestOverdueSeconds",
        "Panics",
        "Parked",
        "SendLatencyMs",
        "SignatureFailures",
        "TemplateRejected",
    ];
    for name in worth_an_alarm {
        assert!(alarmed.contains(name), "{name} has no alarm");
    }
}

#[test]
fn the_crates_keep_to_their_floors() {
    let manifest = |path: &str| std::fs::read_to_string(repository().join(path).join("Cargo.toml")).unwrap();
    let depends = |path: &str, on: &str| {
        let text = manifest(path);
        let dependencies = text.split("[dependencies]").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default().to_owned();
        dependencies.lines().any(|line| line.starts_with(&format!("{on}.")) || line.starts_with(&format!("{on} ")))
    };
    let ours = ["recado-domain", "recado-ingest", "recado-platform", "recado-store", "recado-whatsapp"];
    for other in ours {
        assert!(!depends("shared/domain", other), "domain depends on {other}");
    }
    for crate_name in ["platform", "store", "whatsapp"] {
        for other in ours.into_iter().filter(|other| *other != "recado-domain") {
            assert!(!depends(&format!("shared/{crate_name}"), other), "{crate_name} depends on {other}");
        }
    }
    assert!(!depends("functions/webhook", "recado-store"), "the webhook links the store");
    for folder in std::fs::read_dir(repository().join("functions")).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        let path = format!("functions/{name}");
        for other in std::fs::read_dir(repository().join("functions")).unwrap() {
            let other = other.unwrap().file_name().into_string().unwrap();
            assert!(!depends(&path, &other), "{name} depends on the function {other}");
        }
    }
    assert!(Path::new(&repository()).join("template.yaml").exists());
}
