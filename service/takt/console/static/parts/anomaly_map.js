/** Anomaly maps in numbers and in colours: inferno, whose order shows in grey and to the colour-blind. */
const INFERNO = [0x000004, 0x1b0c42, 0x4b0c6b, 0x781c6d, 0xa52c60, 0xcf4446, 0xed6925, 0xfb9a06, 0xf7d03c, 0xfcffa4];
const [CLEAR, DENSE] = [0.375, 0.75]; // shares of the scale where the overlay begins, and where it is full
const share = (value) => Math.min(1, Math.max(0, value));

/** Reads a .npy of float32 [rows, columns]; `box` is its place [x, y, width, height] on the picture. */
export function readMap(buffer, box, low, threshold) {
  const from = 10 + new DataView(buffer).getUint16(8, true);
  const [, rows, columns] = new TextDecoder().decode(buffer.slice(10, from)).match(/\((\d+), (\d+)\)/).map(Number);
  return { rows, columns, values: new Float32Array(buffer, from, rows * columns), box, low, threshold };
}

/** The map's value at a pixel of the picture; null where it has none. */
export function valueAt({ rows, columns, values, box: [left, top, width, height] }, x, y) {
  const column = Math.floor(((x + 0.5 - left) / width) * columns);
  const row = Math.floor(((y + 0.5 - top) / height) * rows);
  return column >= 0 && row >= 0 && column < columns && row < rows ? values[row * columns + column] : null;
}

/** Where a value lies: 0 is usual for good parts, above 1 there is a region. */
function levelOf({ low, threshold }, value) {
  return low < threshold ? (value - low) / (threshold - low) : value > threshold ? 2 : 0;
}

/** A canvas of the map's size in colours, the threshold in their middle; `clear` hides what is normal. */
export function paintMap(map, clear) {
  const palette = Array.from({ length: 256 }, (_, level) => colourAt(level / 255, clear));
  const canvas = new OffscreenCanvas(map.columns, map.rows);
  const image = new ImageData(map.columns, map.rows);
  map.values.forEach((value, cell) => image.data.set(palette[Math.round(255 * share(levelOf(map, value) / 2))], cell * 4));
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function colourAt(level, clear) {
  const at = level * (INFERNO.length - 1);
  const [below, above] = [INFERNO[Math.floor(at)], INFERNO[Math.ceil(at)]];
  const mixed = [16, 8, 0].map((shift) => ((below >> shift) & 255) * (1 - (at % 1)) + ((above >> shift) & 255) * (at % 1));
  const rise = share((level - CLEAR) / (DENSE - CLEAR));
  return [...mixed, clear ? 255 * rise * rise * (3 - 2 * rise) : 255];
}

/** How far two maps of one picture lie apart on the scale of colours; undefined where their grids differ. */
export function differenceOf(one, other) {
  if (`${[one?.rows, one?.columns, one?.box]}` !== `${[other?.rows, other?.columns, other?.box]}`) return undefined;
  const values = one?.values.map((value, cell) => Math.abs(levelOf(one, value) - levelOf(other, other.values[cell])));
  return one && { ...one, values, low: 0, threshold: 1 };
}
