// knuckle's networks in JavaScript (Node 18 or later): a depth image to 21 joints.
//
//   npm install && node hand.mjs WEIGHTS frame.png camera.json X,Y,Z
//
// Arguments, output and steps are those of ../without_knuckle.py and docs/deployment.md.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import ort from "onnxruntime-node";
import { PNG } from "pngjs";

const SIZE = 48, FINE = 3, CUBE_MM = 250, SAME_SURFACE_MM = 12;
const MIDDLE = (FINE * FINE - 1) / 2;

// Depth in mm by (row, column); 0 where nothing was measured, and outside of the image.
function readDepth(path, unitMm) {
  const { width, height, data } = PNG.sync.read(readFileSync(path), { skipRescale: true });
  return (row, column) =>
    row < 0 || row >= height || column < 0 || column >= width ? 0 : data[4 * (row * width + column)] * unitMm;
}

// 48×48 values in [-1, 1]: what the cube about the centre shows.
function crop(depthAt, camera, [x, y, z]) {
  const step = (index) => ((index + 0.5) / (SIZE * FINE) - 0.5) * CUBE_MM;
  const column = (index) => Math.round((camera.fx * (x + step(index))) / z + camera.cx);
  const row = (index) => Math.round((camera.fy * (y + step(index))) / z + camera.cy);
  const image = new Float32Array(SIZE * SIZE);
  for (let r = 0; r < SIZE; r++) {
    for (let c = 0; c < SIZE; c++) {
      const cell = [];
      for (let i = 0; i < FINE; i++)
        for (let j = 0; j < FINE; j++) cell.push(depthAt(row(r * FINE + i), column(c * FINE + j)));
      const seen = cell[MIDDLE]; // the pixel nearest to the middle of the cell
      const same = cell.filter((depth) => depth > 0 && Math.abs(depth - seen) <= SAME_SURFACE_MM);
      const mean = same.reduce((sum, depth) => sum + depth, 0) / Math.max(same.length, 1);
      image[r * SIZE + c] = seen > 0 ? Math.min(1, Math.max(-1, (mean - z) / (CUBE_MM / 2))) : 1;
    }
  }
  return image;
}

const [weights, frame, cameraFile, where] = process.argv.slice(2);
const camera = JSON.parse(readFileSync(cameraFile, "utf8"));
const center = where.split(",").map(Number);
const [segment, regress] = await Promise.all(
  ["segmentation", "regression"].map((name) => ort.InferenceSession.create(join(weights, `${name}.onnx`))),
);
const image = crop(readDepth(frame, camera.depth_unit_mm ?? 1), camera, center);
const depth = new ort.Tensor("float32", image, [1, 1, SIZE, SIZE]);
const { probabilities } = await segment.run({ depth }); // (1, 21, 48, 48): not hand, then 20 parts
const { joints, spread } = await regress.run({ depth, probabilities });
for (let joint = 0; joint < 21; joint++) {
  // x and y are as seen in the crop, and grow with the joint's distance
  const [u, v, w] = [0, 1, 2].map((axis) => joints.data[3 * joint + axis] * (CUBE_MM / 2) + center[axis]);
  const place = [(u * w) / center[2], (v * w) / center[2], w];
  console.log([...place, spread.data[joint] * (CUBE_MM / 2)].map((value) => value.toFixed(3)).join(" "));
}
