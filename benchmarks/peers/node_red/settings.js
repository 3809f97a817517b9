// Node-RED without editor, with nats.js's own JetStream modules for the function node of flow.json.
const load = (name) => require(require.resolve(name, { paths: [process.env.PEER_MODULES] }));

module.exports = {
  flowFile: process.env.PEER_FLOW,
  userDir: process.env.PEER_FOLDER,
  credentialSecret: false,
  httpAdminRoot: false,
  httpNodeRoot: false,
  uiPort: 0,
  uiHost: "127.0.0.1",
  diagnostics: { enabled: false },
  telemetry: { enabled: false },
  contextStorage: { default: { module: "memory" } },
  functionGlobalContext: {
    transport: load("@nats-io/transport-node"),
    jetstream: load("@nats-io/jetstream"),
  },
  logging: { console: { level: "warn", metrics: false, audit: false } },
};
