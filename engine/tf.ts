/** TensorFlow.js as everyone above the engines sees it. */
import tf from './tfjs/library.cjs';

// production mode: no advertisement on stderr, no slow checks
tf.env().set('PROD', true);

export { tf };
export type Tensor = tf.Tensor;
