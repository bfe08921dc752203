// A provider of OpenID Connect for the tests: the npm package oidc-provider, with one client, and anybody as a user.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const [issuer, redirect, secret] = process.argv.slice(2);
const claims = { preferred_username: "Alice", groups: ["pacs-admins"] };
const provider = new Provider(issuer, {
  clients: [{ client_id: "archive", client_secret: secret, redirect_uris: [redirect], grant_types: ["authorization_code", "client_credentials"], token_endpoint_auth_method: "client_secret_basic" }],
  claims: { openid: ["sub"], profile: ["preferred_username", "groups"] },
  findAccount: (_, id) => ({ accountId: id, claims: async () => ({ sub: id, ...claims }) }),
  extraTokenClaims: async () => claims,
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx) => (ctx.oidc.params.grant_type === "client_credentials" ? "urn:archive" : undefined),
      getResourceServerInfo: () => ({ scope: "", audience: "urn:archive", accessTokenFormat: "jwt" }),
    },
  },
});
const { port, hostname } = new URL(issuer);
createServer(provider.callback()).listen(Number(port), hostname, () => console.log("ready"));
