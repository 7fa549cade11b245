mod checks;
mod contract;
mod device;
mod layers;
mod omni;
mod optim;
mod plain;
// The seeded problems of the CPU kernels' tests.
#[path = "../kernels/problem.rs"]
mod problem;
