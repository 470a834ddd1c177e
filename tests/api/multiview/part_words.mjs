/** The console's words for the parts that come in: `[{ part, place, shape, said }]` as JSON, each with its verdict and why. */
import { readFile } from "node:fs/promises";

const STATIC = new URL("../../../service/takt/console/static/", import.meta.url);
globalThis.document = { documentElement: { lang: "en" } };
globalThis.fetch = async (path) => {
  const text = await readFile(new URL(path.replace("/console/static/", ""), STATIC), "utf-8");
  return { json: async () => JSON.parse(text) };
};
const { byOf, ofInspection, ofStation, whyOfPart } = await import(new URL("parts/multiview/part.js", STATIC));
const { t } = await import(new URL("core/strings.js", STATIC));

const SHAPES = { result: (said) => said, inspection: ofInspection, station: ofStation };
const parts = JSON.parse(await new Response(process.stdin).text());
const told = parts.map(({ shape, said, ...more }) => {
  const result = SHAPES[shape](said);
  return { ...more, verdict: t.verdict[result.verdict], why: whyOfPart(result), by: shape === "inspection" ? byOf(said) : null };
});
process.stdout.write(JSON.stringify(told));
