// The networks of a VAE without a library: weights as JSON (weights.py writes them) -> functions.
//
//   networkOf(content.decoder)(code)     J numbers -> picture, H*W*C numbers between 0 and 1
//   networkOf(content.encoder)(picture)  H*W*C numbers -> 2*J numbers, means and log variances
//
// Pictures lie row by row, channels last: the innermost loops then run over neighbours in memory.

function bytesOf(text) {
  const characters = atob(text), bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

function halvesOf(bytes) {
  const values = new Float32Array(bytes.length >> 1);
  for (let i = 0; i < values.length; i++) {
    const half = bytes[2 * i] | (bytes[2 * i + 1] << 8);
    const exponent = (half >> 10) & 31, fraction = (half & 1023) / 1024;
    const size = exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction;
    values[i] = half >> 15 ? -size : size;
  }
  return values;
}

const floatsOf = (text) => new Float32Array(bytesOf(text).buffer);

// The weights of a layer, in the order in which torch has them. Those of a dense layer may be
// whole numbers from -127 to 127, with one scale for each output.
function weightsOf({ weight, scale, inputs }) {
  const bytes = bytesOf(weight);
  if (!scale) return halvesOf(bytes);
  const values = Float32Array.from(new Int8Array(bytes.buffer)), scales = floatsOf(scale);
  for (let i = 0; i < values.length; i++) values[i] *= scales[Math.floor(i / inputs)];
  return values;
}

const LAYERS = {
  linear(layer) {
    const { inputs, outputs } = layer, bias = floatsOf(layer.bias);
    const weight = weightsOf(layer);
    return ({ values }) => {
      const out = new Float32Array(outputs);
      for (let o = 0; o < outputs; o++) {
        let sum = bias[o];
        for (let i = 0, at = o * inputs; i < inputs; i++) sum += weight[at + i] * values[i];
        out[o] = sum;
      }
      return { values: out };
    };
  },

  // Each output pixel gathers from kernel x kernel input pixels.
  conv(layer) {
    const { inputs, outputs, kernel, stride, padding } = layer, area = kernel * kernel;
    const torch = weightsOf(layer);
    const weight = new Float32Array(torch.length), bias = floatsOf(layer.bias);
    for (let o = 0; o < outputs; o++)
      for (let i = 0; i < inputs; i++)
        for (let k = 0; k < area; k++)
          weight[(k * inputs + i) * outputs + o] = torch[(o * inputs + i) * area + k];
    return ({ values, height, width }) => {
      const rows = Math.floor((height + 2 * padding - kernel) / stride) + 1;
      const columns = Math.floor((width + 2 * padding - kernel) / stride) + 1;
      const out = new Float32Array(rows * columns * outputs), sum = new Float32Array(outputs);
      for (let row = 0; row < rows; row++)
        for (let column = 0; column < columns; column++) {
          sum.set(bias);
          for (let k = 0; k < area; k++) {
            const y = row * stride - padding + Math.floor(k / kernel);
            const x = column * stride - padding + (k % kernel);
            if (y < 0 || y >= height || x < 0 || x >= width) continue;
            const from = (y * width + x) * inputs;
            for (let i = 0; i < inputs; i++) {
              const value = values[from + i];
              if (value === 0) continue; // after a ReLU, half of them
              const at = (k * inputs + i) * outputs;
              for (let o = 0; o < outputs; o++) sum[o] += value * weight[at + o];
            }
          }
          out.set(sum, (row * columns + column) * outputs);
        }
      return { values: out, height: rows, width: columns };
    };
  },

  // Each input pixel makes a patch of kernel x kernel output pixels; patches are added up. Here
  // most of the time is spent: four channels in one pass, and 64-bit numbers, which JavaScript
  // computes with, take a fifth of the time of the plain loop.
  convTransposed(layer) {
    const { inputs, outputs, kernel, stride, padding } = layer, area = kernel * kernel;
    const size = area * outputs;
    const torch = weightsOf(layer);
    const weight = new Float64Array(torch.length), bias = floatsOf(layer.bias);
    const patch = new Float64Array(size), awake = new Int32Array(inputs);
    for (let i = 0; i < inputs; i++)
      for (let o = 0; o < outputs; o++)
        for (let k = 0; k < area; k++)
          weight[i * size + k * outputs + o] = torch[(i * outputs + o) * area + k];
    return ({ values, height, width }) => {
      const rows = (height - 1) * stride - 2 * padding + kernel;
      const columns = (width - 1) * stride - 2 * padding + kernel;
      const out = new Float32Array(rows * columns * outputs);
      for (let i = 0; i < out.length; i += outputs) out.set(bias, i);
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          patch.fill(0);
          const from = (y * width + x) * inputs;
          let count = 0; // of the channels that are not zero: after a ReLU, half of them
          for (let i = 0; i < inputs; i++) if (values[from + i] !== 0) awake[count++] = i;
          let n = 0;
          for (; n + 3 < count; n += 4) {
            const i = awake[n], j = awake[n + 1], k = awake[n + 2], l = awake[n + 3];
            const u = values[from + i], v = values[from + j];
            const w = values[from + k], z = values[from + l];
            const a = i * size, b = j * size, c = k * size, d = l * size;
            for (let p = 0; p < size; p++)
              patch[p] +=
                u * weight[a + p] + v * weight[b + p] + w * weight[c + p] + z * weight[d + p];
          }
          for (; n < count; n++) {
            const u = values[from + awake[n]], a = awake[n] * size;
            for (let p = 0; p < size; p++) patch[p] += u * weight[a + p];
          }
          for (let k = 0; k < area; k++) {
            const row = y * stride - padding + Math.floor(k / kernel);
            const column = x * stride - padding + (k % kernel);
            if (row < 0 || row >= rows || column < 0 || column >= columns) continue;
            const to = (row * columns + column) * outputs, at = k * outputs;
            for (let o = 0; o < outputs; o++) out[to + o] += patch[at + o];
          }
        }
      return { values: out, height: rows, width: columns };
    };
  },

  // torch flattens channels first.
  flatten({ shape: [channels, height, width] }) {
    const pixels = height * width;
    return ({ values }) => {
      const out = new Float32Array(values.length);
      for (let c = 0; c < channels; c++)
        for (let p = 0; p < pixels; p++) out[c * pixels + p] = values[p * channels + c];
      return { values: out };
    };
  },
  unflatten({ shape: [channels, height, width] }) {
    const pixels = height * width;
    return ({ values }) => {
      const out = new Float32Array(values.length);
      for (let c = 0; c < channels; c++)
        for (let p = 0; p < pixels; p++) out[p * channels + c] = values[c * pixels + p];
      return { values: out, height, width };
    };
  },

  // base(a) + mask(a) * colour(b): a is the first block of the code, b the rest.
  layered({ first, drawn, colour, shape: [channels, height, width] }) {
    const draw = stepsOf(drawn), paint = stepsOf(colour), pixels = height * width;
    return ({ values }) => {
      const picture = draw({ values: values.slice(0, first) }).values; // the mask, then the base
      const shade = paint({ values: values.slice(first) }).values;
      const out = new Float32Array(channels * pixels);
      for (let p = 0; p < pixels; p++)
        for (let c = 0; c < channels; c++)
          out[p * channels + c] = picture[(c + 1) * pixels + p] + picture[p] * shade[c];
      return { values: out, height, width };
    };
  },

  relu: () => each((value) => (value > 0 ? value : 0)),
  tanh: () => each(Math.tanh),
  sigmoid: () => each((value) => 1 / (1 + Math.exp(-value))),
  clamp: () => each((value) => Math.min(1, Math.max(0, value))),
};

function each(change) {
  return (state) => {
    const { values } = state;
    for (let i = 0; i < values.length; i++) values[i] = change(values[i]);
    return state;
  };
}

function stepsOf(layers) {
  const steps = layers.map((layer) => LAYERS[layer.type](layer));
  return (state) => steps.reduce((now, step) => step(now), state);
}

function networkOf({ layers, shape: [, height, width] }) {
  const run = stepsOf(layers);
  return (input) => run({ values: Float32Array.from(input), height, width }).values;
}

if (typeof module !== "undefined") module.exports = { networkOf };
