/** What pointer, fingers, wheel and keys do to a pane of the viewer. */
import { fitted, gripOf, middleOf, movedBy, stepOf, within } from "./picture_box.js";
import { placeOf } from "./picture_drawing.js";

const WIDEST = 64; // pixels of the screen for one of the picture
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const NEAR = { mouse: 10, pen: 14, touch: 22 }; // of a box's corner, in pixels of the screen
const FACTORS = { "+": 1.5, "=": 1.5, "-": 1 / 1.5, 0: 0 };

/** Zooms a view by a factor, at most to `most`, and leaves a point (shares of the picture) where it is. */
export function zoomBy(view, factor, most = 200, at = view.get()) {
  const before = view.get();
  const zoom = within(before.zoom * factor, 1, most);
  const kept = before.zoom / zoom;
  move(view, at.x + (before.x - at.x) * kept, at.y + (before.y - at.y) * kept, zoom);
}

function move(view, x, y, zoom) {
  const half = 0.5 / zoom; // the picture's edge stops at the pane's
  view.change({ zoom, x: within(x, half, 1 - half), y: within(y, half, 1 - half) });
}

/** The handlers of a canvas; `latest` is a ref of its pane. */
export function handsOn(latest) {
  const fingers = new Map();
  let moved = 0;
  let drawn = null; // what the one finger does to the box
  const at = ({ clientX, clientY }) => {
    const { canvas: { current: canvas }, size } = latest.current;
    const { fit, scale, left, top } = placeOf(latest.current);
    const corner = canvas.getBoundingClientRect();
    const x = ((clientX - corner.left) * devicePixelRatio - left) / scale;
    const y = ((clientY - corner.top) * devicePixelRatio - top) / scale;
    return { x: x / size.width, y: y / size.height, spot: [x, y], pixel: [Math.floor(x), Math.floor(y)],
      scale: scale / devicePixelRatio, most: (WIDEST * devicePixelRatio) / fit };
  };
  const zoom = (factor, place) => zoomBy(latest.current.view, factor, at(place).most, at(place));
  const point = ([x, y], keys = false) => {
    const { view, size: { width, height } } = latest.current;
    view.change({ cursor: x >= 0 && y >= 0 && x < width && y < height ? { x, y, keys } : null });
  };
  const middle = () => {
    const [one, two = one] = [...fingers.values()];
    const apart = Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY) || 1;
    return { clientX: (one.clientX + two.clientX) / 2, clientY: (one.clientY + two.clientY) / 2, apart };
  };
  const drag = (event) => {
    const before = middle();
    fingers.set(event.pointerId, event);
    const after = middle();
    moved += Math.hypot(after.clientX - before.clientX, after.clientY - before.clientY);
    const [from, to, { view }] = [at(before), at(after), latest.current];
    move(view, view.get().x + from.x - to.x, view.get().y + from.y - to.y, view.get().zoom);
    zoom(after.apart / before.apart, after);
  };
  const grip = (event) => {
    const { size, view } = latest.current;
    const { drawing, box } = view.get();
    if (fingers.size > 1 && drawn) view.change({ box: drawn.before }); // two fingers zoom and move
    const { spot, scale } = at(event);
    const alone = drawing && fingers.size === 1 && event.button === 0;
    drawn = alone ? { before: box, from: event, to: gripOf(box, spot, NEAR[event.pointerType] / scale, size) } : null;
  };
  const pull = (event) => {
    const { from, to } = drawn;
    moved = Math.max(moved, Math.hypot(event.clientX - from.clientX, event.clientY - from.clientY));
    if (moved > 4) latest.current.view.change({ box: to(at(event).spot) });
  };
  const lift = (event) => {
    const { regions = [], view } = latest.current;
    drawn = null;
    if (!fingers.delete(event.pointerId) || event.type !== "pointerup" || moved > 4 || view.get().drawing) return;
    const [x, y] = at(event).pixel;
    const hit = ({ box: [left, top, width, height] }) => x >= left && y >= top && x < left + width && y < top + height;
    view.change({ selected: regions.find(hit) ?? null });
  };
  /** What a key does to the box of somebody who draws one; false where that is nothing. */
  const edit = ({ key, shiftKey }, right, down) => {
    const { size, view } = latest.current;
    const { box, drawing } = view.get();
    const step = stepOf(view, size);
    const [left, top, wide, high] = box ?? [];
    const changed = () => (shiftKey ? fitted([left, top, wide + right * step, high + down * step], size)
      : movedBy(box, right * step, down * step, size));
    if (!drawing || !(box ? key === "Escape" || right !== undefined : key === "Enter")) return false;
    view.change({ box: key === "Enter" ? middleOf(view, size) : key === "Escape" ? null : changed() });
    return true;
  };
  const look = ({ key, shiftKey }, right, down) => {
    const { size: { width, height }, view } = latest.current;
    const { cursor, x, y, zoom: now } = view.get();
    if (key === "Escape" && cursor) view.change({ cursor: null });
    else if (key in FACTORS) zoomBy(view, FACTORS[key]);
    else if (right === undefined) return false;
    else if (shiftKey) {
      const from = cursor ?? { x: Math.floor(x * width), y: Math.floor(y * height) };
      point([within(from.x + right, 0, width - 1), within(from.y + down, 0, height - 1)], true);
    } else move(view, x + right / 8 / now, y + down / 8 / now, now);
    return true;
  };
  const press = (event) => {
    const steps = STEPS[event.key] ?? [];
    if (event.ctrlKey || event.metaKey || event.altKey || !(edit(event, ...steps) || look(event, ...steps))) return;
    event.preventDefault();
    event.stopPropagation(); // the page has keys of its own
  };
  return {
    onWheel: (event) => (event.preventDefault(), zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.03 : 0.002)), event)),
    onPointerDown(event) {
      event.currentTarget.setPointerCapture(event.pointerId);
      moved = fingers.size ? Infinity : 0;
      fingers.set(event.pointerId, event);
      grip(event);
    },
    onPointerMove: (event) => (fingers.has(event.pointerId) && (drawn ? pull : drag)(event), point(at(event).pixel)),
    onPointerUp: lift, onPointerCancel: lift, onPointerLeave: () => point([-1, -1]), onKeyDown: press,
  };
}
