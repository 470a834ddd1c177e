/** Draws a pane of the viewer. */
import { score } from "../core/format.js";

const MOST_LABELS = 20;

/** Where the picture lies on its canvas, in pixels of the screen: `scale` of them for one of its own. */
export function placeOf({ canvas: { current: canvas }, size, view }) {
  const { zoom, x, y } = view.get();
  const fit = Math.min(canvas.width / size.width, canvas.height / size.height);
  const scale = fit * zoom;
  return { fit, scale, left: canvas.width / 2 - x * size.width * scale, top: canvas.height / 2 - y * size.height * scale };
}

/** Draws picture, map, regions and cursor, as the pane's props say. */
export function draw(pane) {
  const { canvas: { current: canvas }, size, picture, show, heat, map, view } = pane;
  if (!canvas) return;
  canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
  canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
  if (!size || !canvas.width || !canvas.height) return;
  const context = canvas.getContext("2d");
  const place = placeOf(pane);
  const lay = (image, [x, y, width, height], smooth) => {
    context.imageSmoothingEnabled = smooth;
    context.drawImage(image, ...screen(place, x, y), width * place.scale, height * place.scale);
  };
  if (picture?.levels.length && show !== "map") {
    const level = Math.min(Math.max(0, Math.floor(-Math.log2(place.scale))), picture.levels.length - 1);
    lay(picture.levels[level], [0, 0, size.width, size.height], place.scale < 1);
  }
  if (heat) {
    context.globalAlpha = show === "overlay" ? view.get().opacity : 1;
    lay(heat, map.box, place.scale < 8 * devicePixelRatio);
    context.globalAlpha = 1;
  }
  outline(context, pane, place);
}

const screen = ({ left, top, scale }, x, y) => [left + x * scale, top + y * scale];

/** White within black shows on any picture, and is no colour of the map. */
function stroke(context, path, width) {
  for (const [colour, wide] of [["#000", width + 2], ["#fff", width]]) {
    context.strokeStyle = colour;
    context.lineWidth = wide * devicePixelRatio;
    context.stroke(path);
  }
}

function outline(context, { regions = [], roi, size, view }, place) {
  const { cursor, selected } = view.get();
  for (const polygon of [...(roi?.polygons ?? []), ...(roi?.exclude ?? [])]) {
    const path = new Path2D();
    for (const [x, y] of polygon) path.lineTo(...screen(place, x * size.width, y * size.height));
    path.closePath();
    stroke(context, path, 0.5);
  }
  regions.forEach((region, index) => {
    const { box: [x, y, width, height], peak } = region;
    const path = new Path2D();
    const pad = 3 * devicePixelRatio;
    const [left, top] = screen(place, x, y);
    path.rect(left - pad, top - pad, width * place.scale + 2 * pad, height * place.scale + 2 * pad);
    stroke(context, path, selected === region ? 4 : 1.5);
    const text = selected === region ? `${index + 1} · ${score(peak)}` : `${index + 1}`;
    if (index < MOST_LABELS || selected === region) name(context, text, left - pad, top - pad);
  });
  if (!cursor) return;
  const path = new Path2D();
  path.rect(...screen(place, cursor.x, cursor.y), place.scale, place.scale);
  const radius = Math.max(place.scale, 8 * devicePixelRatio);
  const [x, y] = screen(place, cursor.x + 0.5, cursor.y + 0.5);
  path.moveTo(x + radius, y);
  path.arc(x, y, radius, 0, 2 * Math.PI);
  stroke(context, path, 1);
}

function name(context, text, left, bottom) {
  const high = 16 * devicePixelRatio;
  const top = Math.max(0, bottom - high);
  context.font = `${12 * devicePixelRatio}px sans-serif`;
  context.fillStyle = "#000";
  context.fillRect(left, top, context.measureText(text).width + high / 2, high);
  context.fillStyle = "#fff";
  context.fillText(text, left + high / 4, top + 0.75 * high);
}
