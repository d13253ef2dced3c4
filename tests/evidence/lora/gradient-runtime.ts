import type { PreparedModel } from '#services/inference/model/prepared.js';
import type {
  GradientRuntime,
  GradientRuntimeOptions,
} from '#services/inference/runtime/gradient-runtime.js';
import { createOnnxGradient } from '#services/inference/runtime/onnx-gradient.js';
import { loraAdaptation } from './adaptation.js';
import type { LoraShape } from './shape.js';

/** The product's gradient runtime by A and B in the place of spectra. Loaded by the product's gradient thread. */
export function createLoraGradient(
  options: GradientRuntimeOptions<PreparedModel> & { readonly lora: LoraShape },
): Promise<GradientRuntime> {
  return createOnnxGradient(options, loraAdaptation(options.lora));
}
