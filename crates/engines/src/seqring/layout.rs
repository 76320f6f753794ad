//! Which layout the slots of a contestant have: a type each, because an engine has one name.

use seqring::SlotClass;

/// A layout of slots.
pub trait Layout: Send + Sync {
    /// The name of the engine whose slots have it.
    const NAME: &'static str;

    /// The class to ask for; `None` for the one that suits the slot's size.
    const CLASS: Option<SlotClass>;
}

/// What [`SlotClass::for_slot_bytes`] chooses.
#[derive(Debug)]
pub enum Suited {}

impl Layout for Suited {
    const NAME: &'static str = "seqring";
    const CLASS: Option<SlotClass> = None;
}

/// [`SlotClass::Packed`].
#[derive(Debug)]
pub enum Packed {}

impl Layout for Packed {
    const NAME: &'static str = "seqring-packed";
    const CLASS: Option<SlotClass> = Some(SlotClass::Packed);
}

/// [`SlotClass::Lines`].
#[derive(Debug)]
pub enum Lines {}

impl Layout for Lines {
    const NAME: &'static str = "seqring-lines";
    const CLASS: Option<SlotClass> = Some(SlotClass::Lines);
}

/// [`SlotClass::Arena`].
#[derive(Debug)]
pub enum Arena {}

impl Layout for Arena {
    const NAME: &'static str = "seqring-arena";
    const CLASS: Option<SlotClass> = Some(SlotClass::Arena);
}
