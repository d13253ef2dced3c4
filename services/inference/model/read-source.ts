import { isGguf, readGgufSource } from './gguf/source.js';
import { type CheckpointSource, readFolderSource } from './source.js';

/** Reads a checkpoint apart from its weights: a GGUF file, else a Hugging Face folder. @throws ZmeshError INVALID_FIELD. */
export async function readSource(path: string): Promise<CheckpointSource> {
  return isGguf(path) ? readGgufSource(path) : readFolderSource(path);
}
