//! Nothing: the tests and examples of this package use executors that the library does not need.
