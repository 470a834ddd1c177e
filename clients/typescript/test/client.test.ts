/** The client against a real server, whose model `parts` finds what is brighter than a half. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { openAsBlob, readFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";

import {
  TaktClient,
  TaktError,
  type FrameAnswer,
  type Refused,
  type StreamItem,
} from "../src/index.ts";

/** URL of the server, and files of a good and of a bad picture. */
const { TAKT_URL: url = "", TAKT_GOOD: good = "", TAKT_BAD: bad = "" } = process.env;
/** Keys with every scope, and with `read` alone. */
const { TAKT_KEY: key = "", TAKT_READING_KEY: readingKey = "" } = process.env;

const takt = new TaktClient(url, { key });

function bytes(path: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(path));
}

async function errorOf(call: () => Promise<unknown>): Promise<TaktError> {
  const error: unknown = await call().then(
    () => assert.fail("it was answered"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof TaktError, String(error));
  return error;
}

async function itemsOf(stream: AsyncIterable<StreamItem>): Promise<StreamItem[]> {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

test("models are listed", async () => {
  const [model] = await takt.models();
  assert.equal(model?.name, "parts");
  assert.deepEqual(await takt.model("parts"), model);
  assert.equal(model?.versions[0]?.thresholds?.image, 0.5);
});

test("a picture is inspected from a file, as a Blob or as bytes", async () => {
  const answer = await takt.inspect("parts", bytes(good), { version: "1" });
  assert.equal(answer.anomalous, false);
  assert.ok(Math.abs(answer.score - 50 / 255) < 1e-6);
  assert.equal(answer.heatmap, null);
  assert.ok(answer.request_id);

  const found = await takt.inspect("parts", await openAsBlob(bad), {
    heatmap: "overlay",
    format: "png",
  });
  assert.equal(found.anomalous, true);
  assert.ok(found.regions.length > 0);
  assert.deepEqual([...found.heatmap!.data.slice(1, 4)], [...Buffer.from("PNG")]);
});

test("a threshold of the call is that of its verdict", async () => {
  assert.ok((await takt.inspect("parts", bytes(good), { threshold: 0.1 })).anomalous);
});

test("what a picture shows is said for the record, and refused where it is too long", async () => {
  await takt.inspect("parts", bytes(good), { part: "A-17", tags: { shift: "2", camera: "left" } });
  await assert.rejects(
    takt.inspect("parts", bytes(good), { tags: { shift: "x".repeat(129) } }),
    (error: TaktError) => error.code === "invalid_parameter",
  );
  await takt.inspect("parts", bytes(good), { tags: {} });
  // The server would read two tags.
  const two = await errorOf(() => takt.inspect("parts", bytes(good), { tags: { note: "scratch, batch=7" } }));
  assert.match(two.message, /without a comma/);
});

test("a problem is read with its code and what to do", async () => {
  const refused = await errorOf(() => takt.inspect("parts", new TextEncoder().encode("no picture")));
  assert.deepEqual([refused.status, refused.code], [400, "invalid_image"]);
  assert.ok(refused.requestId);
  const missing = await errorOf(() => takt.inspect("nut", bytes(good)));
  assert.equal(missing.code, "model_not_found");
  assert.match(missing.message, /nut/);
});

test("a recipe is saved, found, changed by its revision and removed", async () => {
  const thresholds = { image: 0.5, pixel: 1e30 };
  const views = [{ name: "top", model: "parts", thresholds, camera: { exposure_us: 900 } }];
  const name = `bolt-${Date.now()}`;
  const made = await takt.saveRecipe(name, { number: 8, deadline_ms: 500, views, revision: 0 });
  assert.deepEqual([made.name, made.number, made.revision, made.outdated], [name, 8, 1, []]);
  const byHand = { source: "hand", alpha: null, good_count: null, part_count: null, differs: "hand" };
  assert.deepEqual(made.views[0]?.thresholds, { ...thresholds, ...byHand, of_model: { image: 0.5, pixel: 0.5, alpha: null } });
  assert.deepEqual(await takt.recipes({ number: 8 }), [made]);
  assert.deepEqual(await takt.recipe(name), made);

  const changed = { number: 8, deadline_ms: 600, views, revision: 1, reason: "a slower line" };
  assert.equal((await takt.saveRecipe(name, changed)).revision, 2);
  const late = await errorOf(() => takt.saveRecipe(name, { ...changed, deadline_ms: 700 }));
  assert.deepEqual([late.status, late.code], [409, "recipe_changed"]);
  assert.equal((await takt.recipe(name, { revision: 1 })).deadline_ms, 500);

  await takt.removeRecipe(name, { revision: 2, reason: "no such parts any more" });
  assert.equal((await errorOf(() => takt.recipe(name))).code, "recipe_not_found");
  assert.deepEqual(await takt.recipes({ number: 8 }), []);
  const [removed, before] = await takt.recipeRevisions(name, { limit: 2 });
  assert.deepEqual([removed?.recipe, removed?.reason], [null, "no such parts any more"]);
  assert.equal(before?.recipe?.reason, "a slower line");
});

test("views of a part are inspected one by one, and the last one has the part's result", async () => {
  const by_hand = { image: 0.5, pixel: 0.5 };
  const views = ["top", "side"].map((name) => ({ name, model: "parts", thresholds: by_hand }));
  await takt.saveRecipe("bracket", { number: 7, deadline_ms: 60_000, views });

  const id = `A ${Date.now()}`;
  const first = await takt.inspectView(id, "top", bytes(good), { recipe: "bracket", lot: "L1" });
  assert.deepEqual([first.part, first.view, first.result], [id, "top", null]);
  assert.equal(first.inspection.verdict, "good");
  const open = await takt.part(id, { waitMs: 1 });
  assert.deepEqual([open.state, open.views.map((view) => view.state)], ["open", ["inspected", "waiting"]]);
  const hasty = new TaktClient(url, { key, timeoutMs: 2000 });
  assert.equal((await hasty.part(id, { waitMs: 60_000 })).state, "open");
  const twice = await errorOf(() => takt.inspectView(id, "top", bytes(good), { recipe: "bracket" }));
  assert.equal(twice.code, "view_taken");

  const last = await takt.inspectView(id, "side", bytes(bad), { recipe: "bracket" });
  assert.deepEqual([last.result?.verdict, last.result?.view], ["defect", "side"]);
  assert.equal((await takt.part(id, { number: last.number })).result?.ended_by, "views");

  await takt.inspectView(id, "top", bytes(good), { recipe: "bracket", again: true });
  assert.equal((await takt.endPart(id)).result?.reason, "missing_view");
});

test("views of a part come by a stream, and the last one has the part's result", async () => {
  const by_hand = { image: 0.5, pixel: 0.5 };
  const views = ["top", "side"].map((name) => ({ name, model: "parts", thresholds: by_hand }));
  const recipe = `plate-${Date.now()}`;
  await takt.saveRecipe(recipe, { number: 9, deadline_ms: 60_000, views });
  const part = `B ${Date.now()}`;
  const frame = (view: string, path: string) => ({ picture: bytes(path), view: { part, view, recipe } });
  const frames = [bytes(bad), frame("top", good), frame("top", good), frame("side", bad)];
  const items = await itemsOf(takt.stream("parts", frames, { policy: "latest" }));
  assert.deepEqual(items.map((item) => item.type), ["answer", "answer", "refused", "answer"]);
  const [plain, first, twice, last] = items as [FrameAnswer, FrameAnswer, Refused, FrameAnswer];
  assert.deepEqual([plain.view, first.view?.view, last.view?.view], [null, "top", "side"]);
  assert.equal(twice.error.code, "view_taken");
  // Either view may be the last one to be inspected.
  const results = [first, last].flatMap((answer) => answer.view?.result ?? []);
  assert.deepEqual(results.map((result) => [result.verdict, result.ended_by]), [["defect", "views"]]);
  assert.equal((await takt.part(part)).number, last.view?.number);
});

test("stations are listed, and one is read with its results", async () => {
  const at = "2026-11-30T07:00:00Z";
  const result = { part: 17, part_id: null, at, result: "no_decision", reason: "deadline" };
  const report = {
    run: "1",
    began_at: at,
    online: true,
    offline_reason: null,
    server_ready: true,
    plc: { connected: false, heard_at: null },
    cameras: [{ name: "top", well: true }],
    recipe: { number: 0, name: null, changing: false },
    result_ms: 120,
    counts: { ok: 0, ng: 0, no_decision: { deadline: 1 }, late: 0, lost: 0, faults: 0 },
    times: null,
    taken: null,
    results: [{ ...result, score: null, took_ms: 120, shown: true, late: null }],
  };
  const said = await fetch(`${url}/v1/stations/press%201`, {
    method: "PUT",
    body: JSON.stringify(report),
    headers: { authorization: `Bearer ${key}` },
  });
  assert.equal(said.status, 200, await said.text());
  const [listed] = await takt.stations();
  assert.deepEqual([listed?.name, listed?.state], ["press 1", "online"]);
  const station = await takt.station("press 1");
  assert.deepEqual([station.results[0]?.part, station.counts.no_decision["deadline"]], [17, 1]);
  assert.equal((await errorOf(() => takt.station("none"))).code, "station_not_found");
});

test("a name in place of a picture is refused before it is sent", async () => {
  const error = await errorOf(() => takt.inspect("parts", good as unknown as Blob));
  assert.equal(error.code, "invalid_parameter");
});

test("frames are answered in their order, and a bad one does not end the stream", async () => {
  const stream = takt.stream("parts", [bytes(good), new Uint8Array(3), await openAsBlob(bad)], {
    heatmap: "map",
    vote: { k: 1, n: 2 },
  });
  const [first, second, third, ...more] = await itemsOf(stream);
  assert.equal(more.length, 0);
  assert.ok(first?.type === "answer" && !first.anomalous && first.heatmap!.data.length > 0);
  assert.ok(second?.type === "refused" && second.error.code === "invalid_image");
  assert.ok(third?.type === "answer" && third.anomalous && third.vote?.anomalous);
  assert.deepEqual([first.sequence, second.sequence, third.sequence], [0, 1, 2]);
  assert.equal(stream.stats?.answered, 2);
});

test("more frames than credits and raw pixels are answered, each once", async () => {
  async function* camera() {
    const pixels = new Uint8Array(64 * 48).fill(200);
    for (let n = 0; n < 40; n++) yield { pixels, width: 64, height: 48, format: "mono8" as const };
  }
  const items = await itemsOf(takt.stream("parts", camera()));
  assert.deepEqual(
    items.map((item) => item.sequence),
    [...Array(40).keys()],
  );
  assert.ok(items.every((item) => item.type === "answer" && item.anomalous));
});

test("a loop that is left closes its stream, and a camera's error is thrown", async () => {
  for await (const item of takt.stream("parts", [bytes(good), bytes(good)])) {
    assert.equal(item.sequence, 0);
    break;
  }
  function* broken() {
    yield bytes(good);
    throw new Error("the cable is out");
  }
  await assert.rejects(itemsOf(takt.stream("parts", broken())), /cable/);
});

test("a camera whose next frame waits for its turn is let go when the loop is left", { timeout: 60_000 }, async () => {
  let letGo = (): void => {};
  const gone = new Promise<void>((resolve) => (letGo = resolve));
  function* camera() {
    try {
      for (;;) yield bytes(good);
    } finally {
      letGo();
    }
  }
  for await (const item of takt.stream("parts", camera())) {
    assert.equal(item.sequence, 0);
    // The frame that takes the answered one's place is sent, and another one waits.
    await setImmediate();
    break;
  }
  await gone;
});

test("what is wrong with a stream is told by its code", async () => {
  const wrong = await errorOf(() => itemsOf(takt.stream("parts", [], { smoothing: 7 })));
  assert.equal(wrong.code, "invalid_parameter");
  const missing = await errorOf(() => itemsOf(takt.stream("screws", [])));
  assert.equal(missing.code, "model_not_found");
});

test("a call ends with its signal", async () => {
  const signal = AbortSignal.abort(new Error("the part has gone"));
  await assert.rejects(takt.inspect("parts", bytes(good), { signal }), /part has gone/);
  await assert.rejects(itemsOf(takt.stream("parts", [], { signal })), /part has gone/);
});

test("a server that is not there is told", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  const nobody = new TaktClient(`http://127.0.0.1:${port}`);
  for (const call of [() => nobody.models(), () => itemsOf(nobody.stream("parts", []))]) {
    const error = await errorOf(call);
    assert.equal(error.code, "unreachable");
    assert.ok(error.message.includes(`127.0.0.1:${port}`));
  }
});

test("what is no URL, no timeout or no key is refused, and a key is not shown", () => {
  assert.throws(() => new TaktClient(url, { timeoutMs: Infinity }), { code: "invalid_parameter" });
  for (const wrong of ["localhost:8000", "http://HOST:PORT", "http://takt:80000", "http://takt?key=1"]) {
    assert.throws(() => new TaktClient(wrong), { code: "invalid_parameter" });
  }
  assert.throws(() => new TaktClient(url, { key: "secret\nkey" }), (error: TaktError) => {
    return error.code === "invalid_parameter" && !error.message.includes("secret");
  });
});

test("a missing or wrong key, and one for other calls, is told by calls and streams", async () => {
  const strangers: [object, number, string][] = [
    [{}, 401, "unauthenticated"],
    [{ key: "takt_wrong" }, 401, "unauthenticated"],
    [{ key: readingKey }, 403, "insufficient_scope"],
  ];
  for (const [options, ...refusal] of strangers) {
    const stranger = new TaktClient(url, options);
    for (const call of [
      () => stranger.inspect("parts", bytes(good)),
      () => itemsOf(stranger.stream("parts", [])),
    ]) {
      const error = await errorOf(call);
      assert.deepEqual([error.status, error.code], refusal);
    }
  }
});

test("a key is exchanged for a session", async () => {
  await takt.signIn();
  const error = await errorOf(() => new TaktClient(url).signIn());
  assert.equal(error.code, "unauthenticated");
});
