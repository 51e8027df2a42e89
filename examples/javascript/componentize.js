// node componentize.js SOURCE WIT OUTPUT

import { writeFile } from "node:fs/promises";
import { componentize } from "@bytecodealliance/componentize-js";

const [sourcePath, witPath, output] = process.argv.slice(2);
const { component } = await componentize({
  sourcePath,
  witPath,
  worldName: "visits",
  // Hob's own interface is what it answers through.
  disableFeatures: ["http", "fetch-event"],
});
await writeFile(output, component);
