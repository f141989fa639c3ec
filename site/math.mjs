// Formulas for the builder: a line of JSON [TeX, display] comes in, a line of JSON with its MathML goes out.
import { createInterface } from "node:readline";
import katex from "katex";

for await (const line of createInterface({ input: process.stdin })) {
  const [formula, displayMode] = JSON.parse(line);
  console.log(JSON.stringify(katex.renderToString(formula, { displayMode, output: "mathml", throwOnError: true })));
}
