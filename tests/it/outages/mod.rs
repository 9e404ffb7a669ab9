//! What must hold when daybooks end, in good order or not, or meet. Each of these has daybooks of its own.

mod crash;
mod load;
mod locks;
mod node_away;
mod stop;
