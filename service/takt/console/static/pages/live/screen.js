/** Draws a frame: the picture, its overlay as strongly as wanted, or the outlines of its regions. */
const LONGEST_SIDE = 1600;

/** A screen on a canvas: `show(frame)`, `setOpacity(share)`, `close()`. */
export function createScreen(canvas) {
  let [picture, heatmap, outcome, opacity] = [null, null, null, 1];
  const close = () => [picture, heatmap].forEach((bitmap) => bitmap?.close());

  function draw() {
    if (!picture) return;
    const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
    const [width, height] = [picture.width, picture.height].map((side) => Math.round(side * scale));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = Object.assign(canvas.getContext("2d"), { globalAlpha: 1 });
    context.drawImage(picture, 0, 0, width, height);
    context.globalAlpha = opacity;
    if (heatmap) return context.drawImage(heatmap, 0, 0, width, height);
    // White within black shows on any picture.
    for (const [strokeStyle, lineWidth] of [["black", Math.max(4, width / 140)], ["white", Math.max(2, width / 300)]]) {
      Object.assign(context, { strokeStyle, lineWidth });
      for (const { box } of outcome.regions ?? []) context.strokeRect(...box.map((side) => (side * width) / outcome.image.width));
    }
  }

  return {
    close,
    setOpacity: (share) => ((opacity = share), draw()),
    async show(frame) {
      const blobs = [frame.picture, frame.heatmap];
      const bitmaps = await Promise.all(blobs.map((blob) => blob && createImageBitmap(blob).catch(() => null)));
      close();
      [picture, heatmap, outcome] = [...bitmaps, frame.outcome];
      draw();
    },
  };
}
