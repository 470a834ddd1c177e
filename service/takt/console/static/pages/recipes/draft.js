/** A recipe as a form has it, and as the server takes it; and which field a refusal concerns. */

/** A map value that no map reaches: the score alone decides. */
export const NO_MAP = 1e30;

const VIEW = { name: "", model: "", version: "", byHand: false, image: "", pixel: "", camera: [] };
const SETTING = { name: "", kind: "number", value: "" };
const RECIPE = { name: "", number: "", alpha: "1", deadline_ms: "1000", codes: "", reason: "" };
const PARTS_OF_VIEW = ["name", "model", "version", "thresholds", "camera"];

let made = 0;

/** Something of a list, with a key by which a page tells it from the others. */
const keyed = (one) => ({ ...one, key: (made += 1) });

/** A setting of a camera that nobody has filled in. */
export const newSetting = () => keyed(SETTING);

/** A view of the first model of a server. */
export const newView = ([model]) => keyed({ ...VIEW, model: model.name, version: usualOf(model) });

/** The version that is chosen at first: the active one, or else the latest. */
export const usualOf = ({ active, versions }) => active || (versions.at(-1)?.version ?? "");

/** What a form begins with: a recipe as the server has it, or a new one of one view. */
export function draftOf(recipe, models) {
  if (!recipe) return { ...RECIPE, revision: 0, views: [newView(models)] };
  return {
    name: recipe.name,
    revision: recipe.revision,
    number: String(recipe.number),
    alpha: String(tidy(100 * recipe.alpha)),
    deadline_ms: String(recipe.deadline_ms),
    codes: recipe.codes.join("\n"),
    reason: "",
    views: recipe.views.map(viewOf),
  };
}

function viewOf({ name, model, version, thresholds: { image, pixel, source }, camera }) {
  const byHand = source === "hand";
  return keyed({
    name, model, version, byHand,
    image: byHand ? String(image) : "",
    pixel: byHand && pixel < NO_MAP ? String(pixel) : "",
    camera: Object.entries(camera).map(([setting, value]) => keyed({ name: setting, kind: kindOf(value), value: String(value) })),
  });
}

const kindOf = (value) => ({ boolean: "truth", number: "number" })[typeof value] ?? "text";
const valueOf = ({ kind, value }) => (kind === "truth" ? value === "true" : kind === "number" ? Number(value) : value);

/** Shares as people write them: 2.2 % is 0.022 and not 0.022000000000000002. */
const tidy = (value) => Number(value.toPrecision(12));

/** The body of PUT /v1/recipes/{recipe}. */
export function bodyOf({ revision, number, alpha, deadline_ms: deadline, codes, reason, views }) {
  return {
    revision,
    number: Number(number),
    alpha: tidy(Number(alpha) / 100),
    deadline_ms: Number(deadline),
    codes: codes.split("\n").map((one) => one.trim()).filter(Boolean),
    reason: reason.trim() || null,
    views: views.map((view) => ({
      name: view.name,
      model: view.model,
      version: view.version || null,
      thresholds: view.byHand ? { image: Number(view.image), pixel: view.pixel === "" ? NO_MAP : Number(view.pixel) } : null,
      camera: Object.fromEntries(view.camera.map((one) => [one.name, valueOf(one)])),
    })),
  };
}

/** The body by which is asked how the views would be judged, whatever else is not filled in yet. */
export function checkOf(draft) {
  const views = draft.views.map((view, index) => ({ ...view, name: `view-${index}`, camera: [] }));
  return bodyOf({ ...draft, revision: null, number: 1, deadline_ms: 1, codes: "", reason: "", views });
}

/** A recipe to be saved again as it is: the server gives it the thresholds that hold now. */
export const bodyAgain = (recipe, reason) => bodyOf({ ...draftOf(recipe, []), reason: reason ?? "" });

/**
 * The field that a refusal concerns, such as "number" or "views.0.thresholds"; "" where it is none of them.
 * `models` are those of the server by now.
 */
export function fieldOf({ code, detail }, { views }, models) {
  const at = (wanted, field) => (views.some(wanted) ? `views.${views.findIndex(wanted)}.${field}` : "");
  if (code === "number_taken") return "number";
  if (code === "codes_taken") return "codes";
  if (code === "too_few_pictures") return "alpha";
  if (code === "forbidden") return at((view) => view.byHand, "thresholds");
  if (code === "conflict") return at(({ name }) => detail.startsWith(`view ${name}: `), "thresholds");
  if (code === "model_not_found" || code === "not_ready") {
    return at(({ model, version }) => !isReady(models, model, version), "version");
  }
  const named = /^(number|alpha|deadline_ms|codes|reason|recipe|views)(?:\.(\d+)(?:\.(\w+)[^:]*)?)?: /.exec(detail ?? "");
  if (code !== "invalid_parameter" || !named) return "";
  const [, field, index, part] = named;
  if (field === "recipe") return "name";
  return field === "views" ? (PARTS_OF_VIEW.includes(part) ? `views.${index}.${part}` : "") : field;
}

/** Whether a version of a server answers. */
export function isReady(models, model, version) {
  return models.find(({ name }) => name === model)?.versions.find((one) => one.version === version)?.state === "ready";
}

/** Which of the views, or of the settings of a camera, has a name that one before it has: their indices. */
export function repeated(named) {
  return named.flatMap(({ name }, index) => (name && named.findIndex((one) => one.name === name) < index ? [index] : []));
}
