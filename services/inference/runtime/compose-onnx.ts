import { Tensor } from 'onnxruntime-node';
import { GraphBuilder } from '../graph/builder.js';
import { encodeModel } from '../graph/encode.js';
import { spectrumLength, spectrumPieces } from '../graph/model-weights.js';
import { matMul, multiply } from '../graph/ops.js';
import type { PreparedModel } from '../model/prepared.js';
import { openSession } from './session.js';
import { locateWeights } from './weight-files.js';

/** Multiplies a model's factors out. One call at a time. */
export interface Composer {
  /** W' = U·diag(s)·Vᵀ of every adapted matrix, f32 [rows, columns], by its name. Valid until the next call. */
  compose(spectrum: Float32Array): Promise<ReadonlyMap<string, Float32Array>>;
  dispose(): Promise<void>;
}

/**
 * Opens a composer: all products in one run of ONNX Runtime's GEMM, the factors mapped from their files. Serving never needs it; it is
 * what adapting costs where weights are rebuilt, and what the benches compare with.
 * @throws ZmeshError CORRUPT when the folder is not as the model says.
 */
export async function openComposer(options: {
  /** Folder of the prepared model. */
  readonly folder: string;
  readonly model: PreparedModel;
  /** Threads of a product. */
  readonly threads: number;
}): Promise<Composer> {
  const { folder, model, threads } = options;
  const { factors } = await locateWeights(folder, model);
  const g = new GraphBuilder();
  const pieces = spectrumPieces(g, model, 'spectrum', 1);
  model.adapted.forEach(({ name }, i) => {
    const { u, vt } = factors.get(name)!;
    g.output(`weight_of_${i}`, matMul(g, multiply(g, g.weight(u), pieces[i]!), g.weight(vt)));
  });
  const session = await openSession(encodeModel(g, `${model.name} composed`), {
    folder,
    threads,
    prepack: true,
    arena: true,
  });
  const shape = [1, 1, spectrumLength(model)];
  return {
    async compose(spectrum) {
      const found = await session.run({ spectrum: new Tensor('float32', spectrum, shape) });
      return new Map(
        model.adapted.map(({ name }, i) => [name, found[`weight_of_${i}`]!.data as Float32Array]),
      );
    },
    dispose: () => session.release(),
  };
}
