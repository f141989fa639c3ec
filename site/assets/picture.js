// Pictures: read a file, reduce it as the kit does in training, paint masks over it.

const MOST = 1024; // longer side of the picture that is kept; a larger one is reduced when it is read

/** A file or a blob as a canvas without transparency; an Error says what to do when the browser cannot read it. */
export async function readPicture(blob, texts) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob); // turned as its EXIF orientation asks
  } catch {
    throw new Error(texts.unreadable.replace("{name}", blob.name ?? blob.type));
  }
  const scale = Math.min(1, MOST / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  if (Math.max(canvas.width, canvas.height) > 8 * Math.min(canvas.width, canvas.height)) throw new Error(texts.narrow);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}

/** The sides [height, width] of the network's input: multiples of step, the longer one as chosen. */
export function inputSize(canvas, longer, step) {
  const scale = longer / Math.max(canvas.width, canvas.height);
  const side = (pixels) => Math.max(4 * step, Math.round((pixels * scale) / step) * step);
  return [side(canvas.height), side(canvas.width)];
}

// PyTorch's antialiased bilinear filter on one axis: for each new position the first old one and its weights.
function taps(from, to) {
  const scale = from / to;
  const reach = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const center = scale * (i + 0.5);
    const first = Math.max(0, Math.floor(center - reach + 0.5));
    const end = Math.min(from, Math.floor(center + reach + 0.5));
    const weights = [];
    for (let j = first; j < end; j++) weights.push(Math.max(0, 1 - Math.abs((j - center + 0.5) / reach)));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** The picture as the network sees it: 3 x height x width numbers in [0, 1]. */
export function reduce(canvas, height, width) {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const columns = taps(canvas.width, width);
  const rows = taps(canvas.height, height);
  const narrow = new Float32Array(3 * canvas.height * width);
  const out = new Float32Array(3 * height * width);
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < canvas.height; y++) {
      columns.forEach(({ first, weights }, x) => {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * data[4 * (y * canvas.width + first + k) + c];
        narrow[(c * canvas.height + y) * width + x] = sum / 255;
      });
    }
    rows.forEach(({ first, weights }, y) => {
      for (let x = 0; x < width; x++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * narrow[(c * canvas.height + first + k) * width + x];
        out[(c * height + y) * width + x] = sum;
      }
    });
  }
  return out;
}

/** 3 x height x width numbers in [0, 1] as bytes, height x width x 3. */
export function toBytes(image) {
  const pixels = image.length / 3;
  return Uint8Array.from({ length: image.length }, (_, i) => Math.round(255 * image[(i % 3) * pixels + Math.floor(i / 3)]));
}

/** The class with the largest of its logits, at each position. */
export function classes({ data, dims: [, count, height, width] }) {
  const size = height * width;
  const ids = new Uint8Array(size);
  for (let i = 0; i < size; i++) {
    for (let k = 1; k < count; k++) if (data[k * size + i] > data[ids[i] * size + i]) ids[i] = k;
  }
  return { ids, height, width };
}

/** Paint bytes (height x width x 3) on a canvas of that size. */
export function paintBytes(canvas, height, width, bytes) {
  Object.assign(canvas, { height, width });
  const pixels = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = bytes[3 * i + c];
    pixels.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

/** Paint a mask in the colours of its classes over the picture. */
export function paintMask(canvas, picture, { ids, height, width }, colors, opacity) {
  const mask = document.createElement("canvas");
  paintBytes(mask, height, width, Uint8Array.from({ length: 3 * ids.length }, (_, i) => colors[ids[Math.floor(i / 3)]][i % 3]));
  Object.assign(canvas, { height: picture.height, width: picture.width });
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = false; // its pixels are what is compared
  context.drawImage(mask, 0, 0, canvas.width, canvas.height);
}
