mod board;

use super::*;
use callboard::{BreakerRules, Limit};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// What is wrong with the files, a line each, without the path of the folder.
fn faults(files: &[(&str, &str)]) -> Vec<String> {
    let folder = folder(files);
    let Faults(faults) = load(folder.path()).unwrap_err();
    let prefix = format!("{}/", folder.path().display());
    faults.iter().map(|fault| fault.to_string().replace(&prefix, "")).collect()
}

/// The faults of one file, without its name.
fn check(text: &str, expected: &[&str]) {
    let seen = faults(&[("a.toml", text)]);
    let seen: Vec<_> = seen.iter().map(|fault| fault.strip_prefix("a.toml").unwrap()).collect();
    assert_eq!(seen, expected, "{text}");
}

const ECHO: &str = "capabilities = [{ name = 'echo' }]\nruns.echo = {}\n";

#[test]
fn a_file_says_when_its_agent_is_left_alone_and_how_often_it_is_asked() {
    let text = r#"
        [[capabilities]]
        name = "ask"
        limit = { tasks = 600, per = "1m", at_once = 20, burst = 50, per_tenant = true }
        [[capabilities]]
        name = "report"
        limit = { at_once = 2 }
        [[capabilities]]
        name = "free"
        [breaker]
        failures = 3
        open = "20s"
        slow = "30s"
        slow_calls = 4
        ramp = "0s"
        [runs.echo]
    "#;
    let folder = folder(&[("a.toml", text), ("b.toml", ECHO)]);
    let agents = load(folder.path()).unwrap();
    let second = Duration::from_secs(1);
    let rules = BreakerRules::default().failures(3).open(20 * second).slow(30 * second).slow_share(50, 4);
    assert_eq!(agents[0].breaker, Some(rules.ramp(Duration::ZERO)));
    let ask = Limit::per(60 * second, 600).at_once(20).burst(50).per_tenant();
    let limits = [("ask".to_owned(), ask), ("report".to_owned(), Limit::concurrent(2))];
    assert_eq!(agents[0].limits, limits.into());
    assert_eq!((&agents[1].breaker, agents[1].limits.len()), (&None, 0));
}

#[test]
fn a_breaker_or_a_limit_that_can_not_be_is_told() {
    let with = |limit: &str| format!("capabilities = [{{ name = 'echo', limit = {limit} }}]\nruns.echo = {{}}\n");
    let lacks = ":1: capabilities[0].limit: \"at_once\" is expected, or \"tasks\" and \"per\", or all three";
    for limit in ["{}", "{ tasks = 3 }", "{ per = '1m' }", "{ per_tenant = true }"] {
        check(&with(limit), &[lacks]);
    }
    let zero = ":1: capabilities[0].limit.at_once: a whole number from 1 to 1000000000 is expected, not the number 0";
    check(&with("{ at_once = 0 }"), &[zero]);
    let breaker = format!("{ECHO}breaker = {{ failures = 0, open = '2d', slow_procent = 5 }}\n");
    check(
        &breaker,
        &[
            ":3: breaker.failures: a whole number from 1 to 1000000 is expected, not the number 0",
            ":3: breaker.open: 1ms to a day is expected, not 172800s",
            ":3: breaker.slow_procent: unknown key; did you mean \"slow_percent\"?",
        ],
    );
    let (few, many) = (with("{ at_once = 1 }"), with("{ at_once = 2 }"));
    let seen = faults(&[("a.toml", &few), ("b.toml", &few), ("c.toml", &many)]);
    assert_eq!(seen, ["c.toml: capabilities.limit: \"echo\" has another limit in a.toml already"]);
}

#[test]
fn a_file_is_an_agent() {
    let text = r#"
        name = "counter"
        description = "Counts."
        version = "2.1"
        instances = 3
        tools = ["wc", "awk"]
        labels = { zone = "eu", gpu = "" }
        constraints = { context_tokens = 200_000, price = 0.25 }
        [[capabilities]]
        name = "text.count"
        description = "Counts words."
        input_schema = { type = "object", required = ["text"] }
        [[capabilities]]
        name = "text.lines"
        [runs.command]
        program = "cat"
        arguments = ["-u", "-"]
    "#;
    let folder = folder(&[("a.toml", text), ("b.toml", ECHO), ("README.md", "x"), (".hidden", "x"), ("bin/x", "x")]);
    let agents = load(folder.path()).unwrap();
    let [counter, echo] = &agents[..] else { panic!("{agents:?}") };
    assert_eq!((&*counter.name, &*counter.description, &*counter.version), ("counter", "Counts.", "2.1"));
    assert_eq!(counter.instances, 3);
    assert_eq!(counter.tools.iter().collect::<Vec<_>>(), ["awk", "wc"]);
    assert_eq!(counter.labels["zone"], "eu");
    assert_eq!(counter.constraints["price"].to_string(), "0.25");
    assert_eq!(counter.constraints["context_tokens"].to_string(), "200000");
    let names: Vec<_> = counter.capabilities.iter().map(|capability| &*capability.name).collect();
    assert_eq!(names, ["text.count", "text.lines"]);
    let schema = counter.capabilities[0].input_schema.as_ref().unwrap();
    assert_eq!(schema.as_str(), r#"{"required":["text"],"type":"object"}"#);
    assert_eq!((&*echo.name, echo.instances), ("b", 1));
}

#[test]
fn the_form_is_told_with_its_line() {
    let seen = faults(&[("a.toml", "name = \n\nversion = \"1\nx"), ("b.toml", ECHO)]);
    assert!(seen.len() >= 2 && seen[0].starts_with("a.toml:1: ") && seen[1].starts_with("a.toml:3: "), "{seen:?}");
    let [seen] = &faults(&[("a.toml", "name = 'a'\nname = 'b'\n")])[..] else { panic!("one fault") };
    assert!(seen.starts_with("a.toml:2: duplicate key"), "{seen}");
}

#[test]
fn an_unknown_key_is_refused_with_the_closest() {
    check(
        "descripton = 'x'\nweather = 'x'\n[[capabilities]]\nname = 'a'\nschema = {}\n[runs.echo]\nloud = true\n",
        &[
            ":1: descripton: unknown key; did you mean \"description\"?",
            ":2: weather: unknown key \"weather\"; known are name, description, version, instances, tools, labels, constraints, \
             capabilities, breaker, runs",
            ":5: capabilities[0].schema: unknown key \"schema\"; known are name, description, input_schema, output_schema, limit",
            ":7: runs.echo.loud: unknown key; there are none here",
        ],
    );
    check(
        "capabilities = [{ name = 'x' }]\n[runs.command]\nprogram = 'cat'\ntimout = '1s'\n",
        &[":4: runs.command.timout: unknown key; did you mean \"timeout\"?"],
    );
}

#[test]
fn every_value_of_the_wrong_kind_or_size_is_told() {
    check(
        "name = 'no blanks'\nversion = 2\ninstances = 0\ntools = 'git'\nlabels = { a = 1 }\nconstraints = { b = '2', c = 1.1234567 }\n\
         capabilities = [{ name = '' }, { name = 'x', input_schema = { type = 'objekt' } }, { name = 'y' }, { name = 'y' }]\n\
         [runs.command]\nprogram = 'no-such-program'\ntimeout = 30\nstdout_max = '1 potato'\nterminal_codes = [0, 'x']\n\
         arguments = ['ok', 7, { input = 'name' }, { prefix = 'x' }]\nenvironment = { A = 1 }\n",
        &[
            ":1: name: a name is 1 to 128 of A-Z a-z 0-9 . _ -, not \"no blanks\"",
            ":2: version: a text is expected, not the number 2",
            ":3: instances: a whole number from 1 to 1000 is expected, not the number 0",
            ":4: tools: a list is expected, not the text \"git\"",
            ":5: labels.a: a text is expected, not the number 1",
            ":6: constraints.b: a number is expected, not the text \"2\"",
            ":6: constraints.c: a decimal number with at most six places is expected, not 1.1234567",
            ":7: capabilities[0].name: a name is 1 to 128 of A-Z a-z 0-9 . _ -, not \"\"",
            ":7: capabilities[1].input_schema: no JSON Schema: \"objekt\" is not valid under any of the schemas listed in the 'anyOf' keyword",
            ":7: capabilities[3].name: \"y\" is offered twice",
            ":9: runs.command.program: no program no-such-program in /usr/local/bin:/usr/bin:/bin",
            ":10: runs.command.timeout: a time such as \"30s\" is expected, not the number 30",
            ":11: runs.command.stdout_max: a size such as \"1MiB\" is expected, not the text \"1 potato\"",
            ":12: runs.command.terminal_codes[0]: a whole number from 1 to 255 is expected, not the number 0",
            ":12: runs.command.terminal_codes[1]: a whole number from 1 to 255 is expected, not the text \"x\"",
            ":13: runs.command.arguments[1]: a text is expected, not the number 7",
            ":13: runs.command.arguments[1].input: a JSON pointer such as \"/name\", not \"name\"",
            ":13: runs.command.arguments[3].input: is missing",
            ":14: runs.command.environment.A: a text is expected, not the number 1",
        ],
    );
}

#[test]
fn what_is_missing_or_too_much_is_told() {
    check("", &[":1: capabilities: is missing", ":1: runs: is missing"]);
    check(
        "capabilities = []\nruns = {}",
        &[":1: capabilities: at least one", ":2: runs: one of command, echo, file and http is expected, not 0"],
    );
    check(
        "capabilities = [{ name = 'a' }]\n[runs]\necho = {}\nfile = { root = '/tmp' }\n",
        &[":2: runs: one of command, echo, file and http is expected, not 2"],
    );
    check(
        "capabilities = [{ name = 'a' }]\n[runs.command]\ntimeout = '0s'\n",
        &[":2: runs.command.program: is missing"],
    );
    check(
        "capabilities = [{ name = 'a' }]\n[runs.command]\nprogram = 'cat'\ntimeout = '0s'\n",
        &[":4: runs.command.timeout: 1ms to 24h, not 0s"],
    );
    check(
        "capabilities = [{ name = 'files.delete' }]\nruns.file = { root = '/tmp' }\n",
        &[
            ":1: capabilities[0].name: a capability of files ends with read, write or list, as file.read: \"files.delete\"",
        ],
    );
    check(
        "[[capabilities]]\nname = 'a'\n[[capabilities]]\nname = 'a'\n[runs.echo]\n",
        &[":4: capabilities[1].name: \"a\" is offered twice"],
    );
    let many = format!("instances = 1001\n{ECHO}");
    check(&many, &[":1: instances: a whole number from 1 to 1000 is expected, not the number 1001"]);
}

#[test]
fn a_schema_is_checked_at_the_start() {
    let text = "[[capabilities]]\nname = 'a'\noutput_schema = { type = 'objekt' }\n[runs.echo]\n";
    let seen = faults(&[("a.toml", text)]);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].starts_with("a.toml:3: capabilities[0].output_schema: no JSON Schema: "), "{seen:?}");
    let text = "[[capabilities]]\nname = 'a'\noutput_schema = { default = 1979-05-27 }\n[runs.echo]\n";
    check(text, &[":3: capabilities[0].output_schema: a date is written as a text"]);
}

#[test]
fn the_faults_of_all_files_are_told_at_once() {
    let text = "name = 'b'\ncapabilities = [{ name = 'echo' }]\nruns.echo = {}\n";
    let long = "#".repeat((256 << 10) + 1);
    let seen = faults(&[("b.toml", text), ("a.toml", text), ("c.toml", "x = 1"), ("d.tml", ""), ("e.toml", &long)]);
    assert_eq!(
        seen,
        [
            "b.toml:1: name: \"b\" is the name of a.toml already",
            "c.toml:1: capabilities: is missing",
            "c.toml:1: runs: is missing",
            "c.toml:1: x: unknown key \"x\"; known are name, description, version, instances, tools, labels, constraints, \
         capabilities, breaker, runs",
            "d.tml: a file that describes an agent ends with .toml, .yaml, .yml, .json",
            "e.toml: longer than 262144 bytes",
        ]
    );
    let missing = load("/no/such/folder").unwrap_err().to_string();
    assert!(missing.starts_with("/no/such/folder: cannot be read: No such file"), "{missing}");
}

#[test]
fn a_program_beside_the_file_stays_beside_the_file() {
    let of = |program: &str| format!("capabilities = [{{ name = 'a' }}]\nruns.command.program = '{program}'\n");
    let folder = folder(&[("agents/a.toml", &of("./bin/x")), ("agents/bin/x", "#!/bin/sh\n"), ("x", "#!/bin/sh\n")]);
    let agents = folder.path().join("agents");
    let make = |path: &Path| {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let not_yet = load(&agents).unwrap_err().to_string();
    assert!(not_yet.contains("a.toml:2: runs.command.program: no file that can be executed"), "{not_yet}");
    make(&agents.join("bin/x"));
    make(&folder.path().join("x"));
    assert_eq!(load(&agents).unwrap().len(), 1);
    fs::write(agents.join("a.toml"), of("./../x")).unwrap();
    assert!(load(&agents).unwrap_err().to_string().contains("leads out of the folder of this file"));
    fs::remove_file(agents.join("bin/x")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("x"), agents.join("bin/x")).unwrap();
    fs::write(agents.join("a.toml"), of("./bin/x")).unwrap();
    assert!(load(&agents).unwrap_err().to_string().contains("leads out of the folder of this file"));
}

#[test]
fn yaml_and_json_say_the_same() {
    let yaml = "name: y\nversion: 1.2.3\ninstances: 2\nlabels: {zone: eu}\nconstraints: {price: 0.5, zero: 0}\n\
                capabilities:\n  - name: a\n    input_schema: {const: null, enum: [yes, 1]}\nruns:\n  command:\n    program: cat\n";
    let json = r#"{"name": "j", "version": "1.2.3", "instances": 2, "labels": {"zone": "eu"}, "constraints": {"price": 0.5, "zero": 0},
        "capabilities": [{"name": "a", "input_schema": {"const": null, "enum": ["yes", 1]}}], "runs": {"command": {"program": "cat"}}}"#;
    let folder = folder(&[("y.yaml", yaml), ("j.json", json)]);
    let agents = load(folder.path()).unwrap();
    let told = |agent: &AgentFile| {
        let agent = format!("{:?}{:?}{:?}", agent.labels, agent.constraints, agent.capabilities) + &agent.version;
        format!("{agent} {}", agent.len())
    };
    assert_eq!(told(&agents[0]), told(&agents[1]));
    assert_eq!((&*agents[0].name, agents[1].instances), ("j", 2));
    let seen = faults(&[
        ("a.yml", "name: 'a'\ninstances:\n\nruns:\n  ecko: {}\n"),
        ("b.yaml", "a: &x 1\nb: *x\n"),
        ("c.json", "{\"name\": \"c\",\n \"name\": \"c\"}"),
        ("d.yaml", "a: !!int 1\n"),
        ("e.yaml", &format!("a: {}\n", "[".repeat(100))),
        ("f.yaml", "a: 1\n---\nb: 1\n"),
        ("g.json", ""),
    ]);
    assert_eq!(
        seen,
        [
            "a.yml:1: capabilities: is missing",
            "a.yml:2: instances: a whole number from 1 to 1000 is expected, not nothing",
            "a.yml:4: runs: one of command, echo, file and http is expected, not 0",
            "a.yml:5: runs.ecko: unknown key; did you mean \"echo\"?",
            "b.yaml:2: an alias is not allowed here; repeat what it stands for",
            "c.json:2: the key \"name\" stands here for the second time",
            "d.yaml:1: a tag has no meaning here",
            "e.yaml:1: more than 64 values in one another",
            "f.yaml:3: a second document begins here",
            "g.json:1: capabilities: is missing",
            "g.json:1: runs: is missing",
        ]
    );
}

#[cfg(feature = "http")]
#[test]
fn an_http_agent_is_described_by_its_hosts() {
    let text = "capabilities = [{ name = 'a' }]\n[runs.http]\nprivate_hosts = ['http://127.0.0.1:7420']\nmethods = ['GET', 'POST']\n\
                fixed_headers = { x-a = 'b', x-path = { environment = 'PATH' } }\naccept = [404]\ntimeout = '5s'\n";
    let folder = folder(&[("a.toml", text)]);
    assert_eq!(load(folder.path()).unwrap().len(), 1);
    check(
        "capabilities = [{ name = 'a' }]\n[runs.http]\nhosts = ['example.com']\nmethods = ['get']\naccept = [200]\nredirects_max = 50\n\
         fixed_headers = { x = { environment = 'THERE_IS_NO_SUCH_VARIABLE' } }\n",
        &[
            ":3: runs.http.hosts: no host may be asked; list one here or in private_hosts",
            ":3: runs.http.hosts[0]: a host is written as https://api.example.com or https://*.example.com:8443, with a scheme: \
             \"example.com\"",
            ":4: runs.http.methods: GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, not \"get\"",
            ":5: runs.http.accept[0]: a whole number from 300 to 599 is expected, not the number 200",
            ":6: runs.http.redirects_max: a whole number from 0 to 20 is expected, not the number 50",
            ":7: runs.http.fixed_headers.x: the environment has no variable THERE_IS_NO_SUCH_VARIABLE",
        ],
    );
}

#[test]
fn the_files_of_the_project_are_without_fault() {
    let agents = load(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/agents")).unwrap();
    let names: Vec<_> = agents.iter().map(|agent| &*agent.name).collect();
    assert_eq!(names, ["disk-free", "echo", "handbook", "resolve"]);
}
