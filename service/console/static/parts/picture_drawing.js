/** Draws a pane of the viewer. */
import { score } from "../core/format.js";

const MOST_LABELS = 20;
const screen = ({ left, top, scale }, x, y) => [left + x * scale, top + y * scale];

/** Where the picture lies on its canvas, in pixels of the screen: `scale` of them for one of its own. */
export function placeOf({ canvas: { current: { width, height } }, size, view }) {
  const { zoom, x, y } = view.get();
  const fit = Math.min(width / size.width, height / size.height);
  const scale = fit * zoom;
  return { fit, scale, left: width / 2 - x * size.width * scale, top: height / 2 - y * size.height * scale };
}

/** Draws picture, map, regions and cursor, as the pane's props say. */
export function draw(pane) {
  const { canvas: { current: canvas }, size, picture, show, heat, map, view, regions = [], roi } = pane;
  canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
  canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
  if (!canvas.width || !canvas.height) return;
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
  if (view.get().cursor) pointAt(context, place, view.get().cursor);
}

/** White within black shows on any picture, and is no colour of the map. */
function stroke(context, path, width) {
  for (const [colour, wide] of [["#000", width + 2], ["#fff", width]]) {
    context.strokeStyle = colour;
    context.lineWidth = wide * devicePixelRatio;
    context.stroke(path);
  }
}

function outline(context, place, { box: [x, y, width, height], peak }, index, selected) {
  const [pad, high] = [3 * devicePixelRatio, 16 * devicePixelRatio];
  const [left, top] = screen(place, x, y).map((edge) => edge - pad);
  const path = new Path2D();
  path.rect(left, top, width * place.scale + 2 * pad, height * place.scale + 2 * pad);
  stroke(context, path, selected ? 4 : 1.5);
  if (index >= MOST_LABELS && !selected) return;
  const text = selected ? `${index + 1} · ${score(peak)}` : `${index + 1}`;
  const above = Math.max(0, top - high);
  context.font = `${0.75 * high}px sans-serif`;
  context.fillStyle = "#000";
  context.fillRect(left, above, context.measureText(text).width + high / 2, high);
  context.fillStyle = "#fff";
  context.fillText(text, left + high / 4, above + 0.75 * high);
}

function pointAt(context, place, { x, y }) {
  const [middle, radius] = [screen(place, x + 0.5, y + 0.5), Math.max(place.scale, 8 * devicePixelRatio)];
  const path = new Path2D();
  path.rect(...screen(place, x, y), place.scale, place.scale);
  path.moveTo(middle[0] + radius, middle[1]);
  path.arc(...middle, radius, 0, 2 * Math.PI);
  stroke(context, path, 1);
}
