/**
 * TensorFlow.js, loaded by `require`: before an `import`, Node would read through its megabytes for the names of their exports, which takes
 * longer than starting everything else.
 */
const tf = require('@tensorflow/tfjs');

// not `module.exports = require(…)`, which an `import` of this file would follow
module.exports = tf;
