/** Boxes that people draw: x, y, width and height in whole pixels of the upright picture. */

const LEAST = 1;
/** The value, or the bound that it is beyond. */
export const within = (value, least, most) => Math.min(Math.max(value, least), Math.max(least, most));

/** The box that has two points, wherever they are, as far as it lies within a picture of `size`. */
export function between([x, y], [right, down], { width, height }) {
  const span = (one, other, most) => {
    const from = Math.floor(within(Math.min(one, other), 0, most - LEAST));
    return [from, Math.max(LEAST, Math.ceil(within(Math.max(one, other), 0, most)) - from)];
  };
  const [[left, wide], [top, high]] = [span(x, right, width), span(y, down, height)];
  return [left, top, wide, high];
}

/** A box amidst what a view shows: a quarter as wide and as high. */
export function middleOf(view, size) {
  const { zoom, x, y } = view.get();
  const [wide, high] = [size.width / zoom / 8, size.height / zoom / 8];
  const [right, down] = [x * size.width, y * size.height];
  return between([right - wide, down - high], [right + wide, down + high], size);
}

/** How many pixels a key moves a box: fewer, the closer one looks. */
export const stepOf = (view, { width, height }) => Math.max(1, Math.round(Math.max(width, height) / view.get().zoom / 64));

/** The box elsewhere, within the picture. */
export const movedBy = ([x, y, wide, high], right, down, { width, height }) =>
  [Math.round(within(x + right, 0, width - wide)), Math.round(within(y + down, 0, height - high)), wide, high];

/** The box with other numbers, within the picture. */
export function fitted([x, y, wide, high], { width, height }) {
  const [left, top] = [within(Math.round(x), 0, width - LEAST), within(Math.round(y), 0, height - LEAST)];
  return [left, top, within(Math.round(wide), LEAST, width - left), within(Math.round(high), LEAST, height - top)];
}

/** The corners of a box: the left upper one first, then clockwise. */
export const cornersOf = ([x, y, wide, high]) => [[x, y], [x + wide, y], [x + wide, y + high], [x, y + high]];

/**
 * What a pointer that goes down at a point does to a box: a function of where it goes then, which gives the box.
 * At a corner, as near as `near`, it pulls that one; within the box it moves it; elsewhere, or without a box, it draws one.
 */
export function gripOf(box, point, near, size) {
  const [x, y] = point;
  const corners = box ? cornersOf(box) : [];
  const pulled = corners.findIndex(([left, top]) => Math.abs(left - x) <= near && Math.abs(top - y) <= near);
  if (pulled >= 0) return (to) => between(corners[(pulled + 2) % 4], to, size);
  const inside = box && x >= box[0] && y >= box[1] && x < box[0] + box[2] && y < box[1] + box[3];
  return inside ? (to) => movedBy(box, to[0] - x, to[1] - y, size) : (to) => between(point, to, size);
}
