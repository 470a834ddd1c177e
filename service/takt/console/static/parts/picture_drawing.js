/** Draws a pane of the viewer. */
import { score } from "../core/format.js";
import { t } from "../core/strings.js";
import { cornersOf } from "./picture_box.js";

const MOST_LABELS = 20;
const screen = ({ left, top, scale }, x, y) => [left + x * scale, top + y * scale];

/** Where the picture lies on its canvas, in pixels of the screen: `scale` of them for one of its own. */
export function placeOf({ canvas: { current: { width, height } }, size, view }) {
  const { zoom, x, y } = view.get();
  const fit = Math.min(width / size.width, height / size.height);
  const scale = fit * zoom;
  return { fit, scale, left: width / 2 - x * size.width * scale, top: height / 2 - y * size.height * scale };
}

/** Draws picture, map, regions, boxes of people and cursor, as the pane's props say; `data-whole` where all that it shows is there. */
export function draw(pane) {
  const { canvas: { current: canvas }, size, picture, show, heat, map, view, regions = [], marks = [], roi } = pane;
  canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
  canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
  if (!canvas.width || !canvas.height) return;
  const context = canvas.getContext("2d");
  canvas.toggleAttribute("data-whole", Boolean((show === "map" || picture) && (show === "picture" || heat)));
  const place = placeOf(pane);
  const lay = (image, [x, y, width, height], smooth) => {
    context.imageSmoothingEnabled = smooth;
    context.drawImage(image, ...screen(place, x, y), width * place.scale, height * place.scale);
  };
  if (picture?.levels.length && show !== "map") {
    const level = Math.min(Math.max(0, Math.floor(-Math.log2(place.scale))), picture.levels.length - 1);
    lay(picture.levels[level], [0, 0, size.width, size.height], place.scale < 1);
  }
  context.globalAlpha = show === "overlay" ? view.get().opacity : 1;
  if (heat) lay(heat, map.box, place.scale < 8 * devicePixelRatio);
  context.globalAlpha = 1;
  for (const polygon of [...(roi?.polygons ?? []), ...(roi?.exclude ?? [])]) {
    const path = new Path2D();
    for (const [x, y] of polygon) path.lineTo(...screen(place, x * size.width, y * size.height));
    path.closePath();
    stroke(context, path, 0.5);
  }
  regions.forEach((region, index) => outline(context, place, region, index, view.get().selected === region));
  marks.forEach((mark) => marked(context, place, mark));
  const { box, cursor } = view.get();
  if (box) drawnBox(context, place, box);
  if (cursor && (cursor.keys || !box)) pointAt(context, place, cursor);
}

/** White within black shows on any picture, and is no colour of the map. */
function stroke(context, path, width, dashes = []) {
  for (const [colour, wide, gaps] of [["#000", width + 2, []], ["#fff", width, dashes]]) {
    context.strokeStyle = colour;
    context.lineWidth = wide * devicePixelRatio;
    context.setLineDash(gaps.map((length) => length * devicePixelRatio));
    context.stroke(path);
  }
  context.setLineDash([]);
}

function outline(context, place, { box: [x, y, width, height], peak }, index, selected) {
  const [pad, high] = [3 * devicePixelRatio, 16 * devicePixelRatio];
  const [left, top] = screen(place, x, y).map((edge) => edge - pad);
  const path = new Path2D();
  path.rect(left, top, width * place.scale + 2 * pad, height * place.scale + 2 * pad);
  stroke(context, path, selected ? 4 : 1.5);
  if (index >= MOST_LABELS && !selected) return;
  tag(context, selected && peak !== undefined ? `${index + 1} · ${score(peak)}` : `${index + 1}`, [left, Math.max(0, top - high)], ["#000", "#fff"]);
}

/** A text on a ground of its own. */
function tag(context, text, [left, top], [ground, ink]) {
  const high = 16 * devicePixelRatio;
  context.font = `${0.75 * high}px sans-serif`;
  context.fillStyle = ground;
  context.fillRect(left, top, context.measureText(text).width + high / 2, high);
  context.fillStyle = ink;
  context.fillText(text, left + high / 4, top + 0.75 * high);
}

/** What a person marked is dashed, and named below: a region of the model is solid, and has its number above. */
function marked(context, place, { box: [x, y, width, height], kind }) {
  const [left, top] = screen(place, x, y);
  const [wide, high, below] = [width * place.scale, height * place.scale, 2 * devicePixelRatio];
  const path = new Path2D();
  path.rect(left, top, wide, high);
  stroke(context, path, 2, [6, 4]);
  const bottom = Math.min(top + high + below, context.canvas.height - 16 * devicePixelRatio);
  tag(context, kind || t.judging.marked, [left, bottom], ["#fff", "#000"]);
}

/** The box that is being drawn, with corners to pull. */
function drawnBox(context, place, box) {
  const [[left, top], , [right, bottom]] = cornersOf(box).map(([x, y]) => screen(place, x, y));
  const [path, half] = [new Path2D(), 4 * devicePixelRatio];
  path.rect(left, top, right - left, bottom - top);
  stroke(context, path, 2);
  context.fillStyle = "#fff";
  for (const [x, y] of [[left, top], [right, top], [right, bottom], [left, bottom]]) {
    const corner = new Path2D();
    corner.rect(x - half, y - half, 2 * half, 2 * half);
    stroke(context, corner, 0.5);
    context.fill(corner);
  }
}

function pointAt(context, place, { x, y }) {
  const [middle, radius] = [screen(place, x + 0.5, y + 0.5), Math.max(place.scale, 8 * devicePixelRatio)];
  const path = new Path2D();
  path.rect(...screen(place, x, y), place.scale, place.scale);
  path.moveTo(middle[0] + radius, middle[1]);
  path.arc(...middle, radius, 0, 2 * Math.PI);
  stroke(context, path, 1);
}
