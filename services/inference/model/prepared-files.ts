import { join } from 'node:path';

/** model.json of a prepared folder. */
export const modelFile = (folder: string): string => join(folder, 'model.json');

/** The weights that are not factored. */
export const denseFile = (folder: string): string => join(folder, 'weights.safetensors');

/** The folder of the factors. */
export const factorFolder = (folder: string): string => join(folder, 'factors');

/** The factors of one adapted matrix. */
export const factorFile = (folder: string, weight: string): string =>
  join(factorFolder(folder), `${weight}.safetensors`);

/** What the model was prepared from, to see quickly whether it is current. */
export const stampFile = (folder: string): string => join(folder, 'source.stamp');

/** The process that is preparing the folder. */
export const lockFile = (folder: string): string => join(folder, 'import.lock');

/** Where a model of this name is prepared under zmesh's home. */
export const preparedFolder = (home: string, name: string): string => join(home, 'models', name);
