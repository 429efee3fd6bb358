// One Restate server with its default settings, the handlers as a process beside it, and a submitter that calls over HTTP.
// It does what the driver asks on standard input, a line of JSON each, and answers likewise.
import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { createRequire } from "node:module";
import net from "node:net";
import path from "node:path";
import readline from "node:readline";
import { fileURLToPath } from "node:url";

const HOST = "127.0.0.1";
// With what is around it, a task has about 256 bytes.
const BODY = "x".repeat(230);
const START_MS = 60_000;

const agent = new http.Agent({ keepAlive: true });

function post(port, where, value) {
  const body = JSON.stringify(value);
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const request = http.request({ host: HOST, port, path: where, method: "POST", agent, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part) => (text += part));
      response.on("end", () => (response.statusCode < 300 ? resolve(text) : reject(new Error(`${response.statusCode} ${text}`))));
    });
    request.on("error", reject).end(body);
  });
}

async function freePorts(count) {
  const servers = Array.from({ length: count }, () => net.createServer().listen(0, HOST));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}

// Whatever it prints goes to the log.
function start(command, words, environment) {
  return spawn(command, words, { env: { ...process.env, ...environment }, stdio: ["ignore", 2, 2] });
}

async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const late = setTimeout(() => child.kill("SIGKILL"), 10_000);
  child.kill();
  await once(child, "exit");
  clearTimeout(late);
}

async function until(answers) {
  const last = Date.now() + START_MS;
  for (;;) {
    try {
      return await answers();
    } catch (error) {
      if (Date.now() > last) throw error;
      await new Promise((later) => setTimeout(later, 200));
    }
  }
}

const [node, ingress, admin, handlers] = await freePorts(4);
const name = `@restatedev/restate-server-${process.platform}-${process.arch}/package.json`;
const server = start(
  path.join(path.dirname(createRequire(import.meta.url).resolve(name)), "bin", "restate-server"),
  ["--no-logo", "--listen-mode", "tcp", "--bind-ip", HOST, "--bind-port", String(node), "--base-dir", path.resolve("data")],
  {
    RESTATE_ADMIN__BIND_PORT: String(admin),
    RESTATE_DISABLE_TELEMETRY: "true",
    RESTATE_INGRESS__BIND_PORT: String(ingress),
    RESTATE_LOG_FILTER: "warn",
  },
);
const service = start(process.execPath, [fileURLToPath(new URL("service.js", import.meta.url))], {
  PORT: String(handlers),
  RESTATE_LOGGING: "ERROR",
});

async function noop(number) {
  const returned = await post(ingress, "/leaf/noop", { number, body: BODY });
  if (returned !== String(number)) throw new Error(`task ${number} returned ${returned}`);
}

const timed = {
  single: () => noop(1),
  chain: () => post(ingress, "/graph/three", { number: 1 }),
  fan: () => post(ingress, "/graph/hundred", {}),
};

async function answer(question) {
  if (question.do === "fly") {
    let number = 0;
    const one = async () => {
      while (number < question.tasks) await noop(number++);
    };
    await Promise.all(Array.from({ length: question.in_flight }, one));
    return {};
  }
  const ms = [];
  while (ms.length < question.times) {
    const begun = performance.now();
    await timed[question.do]();
    ms.push(performance.now() - begun);
  }
  return { ms };
}

const tell = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
try {
  await until(() => post(admin, "/deployments", { uri: `http://${HOST}:${handlers}` }));
  await until(() => noop(0));
  tell({ can: Object.keys(timed), versions: { node: process.versions.node } });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    tell(await answer(JSON.parse(line)).catch((error) => ({ error: String(error) })));
  }
} finally {
  agent.destroy();
  await Promise.all([end(service), end(server)]);
}
