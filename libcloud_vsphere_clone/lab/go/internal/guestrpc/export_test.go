package guestrpc

// RPCLimit is for the tests over a whole lab.
const RPCLimit = rpcLimit
