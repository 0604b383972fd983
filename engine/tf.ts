/** TensorFlow.js as everyone above the engines sees it. */
import * as tf from '@tensorflow/tfjs';

// production mode: no advertisement on stderr, no slow checks
tf.env().set('PROD', true);

export { tf };
export type Tensor = tf.Tensor;
