/**
 * Redocly, strict, and Spectral on an OpenAPI document: one line a finding, exit 1 if there is any.
 * In a folder with a deno.json of its own, because the two bring 150 packages and other types of
 * node's modules along, which nothing else here should have.
 */
import { createConfig, lintFromString } from "@redocly/openapi-core";
import spectral from "@stoplight/spectral-core";
import { oas } from "@stoplight/spectral-rulesets";

const [path = "openapi.json"] = Deno.args;
const source = await Deno.readTextFile(path);

/** A finding that is accepted, for a reason. */
const accepted = [
  // GET / only redirects, to the docs page.
  "redocly operation-2xx-response #/paths/~1/get/responses",
];

const config = await createConfig({ extends: ["recommended-strict"] });
const strict = await lintFromString({ source, absoluteRef: `/${path}`, config });

const linter = new spectral.Spectral();
linter.setRuleset({ extends: [oas] });
const results = await linter.run(source);

const findings = [
  ...strict.map(({ ruleId, location }) => `redocly ${ruleId} ${location[0]?.pointer}`),
  // Its errors. It warns of scopes, which it takes for OAuth's, and of operations whose summary says all.
  ...results.filter(({ severity }) => severity === 0)
    .map(({ code, path }) => `spectral ${code} #/${path.join("/")}`),
].filter((finding) => !accepted.includes(finding));

for (const finding of findings) console.log(finding);
Deno.exit(findings.length > 0 ? 1 : 0);
