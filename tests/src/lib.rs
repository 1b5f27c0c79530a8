//! Starts and stops real `vectra` processes for the tests in `tests/tests`.
