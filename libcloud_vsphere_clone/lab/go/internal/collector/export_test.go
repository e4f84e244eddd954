package collector

// MaxUpdates is for the tests over a whole lab.
const MaxUpdates = maxUpdates
