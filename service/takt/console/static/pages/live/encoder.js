/** A worker: makes a JPEG of each frame, so that the page does not wait for it. */
const canvas = new OffscreenCanvas(1, 1);

onmessage = async ({ data: frame }) => {
  const [width, height] = [frame.displayWidth ?? frame.width, frame.displayHeight ?? frame.height];
  Object.assign(canvas, { width, height }).getContext("2d").drawImage(frame, 0, 0);
  frame.close();
  postMessage(await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 }));
};
