//! What a component's status says besides its conditions.

use angzarr_crds::ComponentStatus;

use super::answers::Answers;
use super::look::Asked;
use crate::model::{Key, Role, Storage};
use crate::plan::names;
use crate::validate::Resolved;

/// What a valid component's status says besides its conditions.
pub(super) fn describe(
    key: &Key,
    resolved: Option<&Resolved>,
    asked: &[Asked],
    status: &mut ComponentStatus,
) {
    let Some(Resolved::Component(component, store)) = resolved else {
        return;
    };
    if store.storage == Storage::File && status.store_id.is_none() {
        status.store_id = Answers(asked).store_id();
    }
    status.address = Some(names::address(key));
    status.selector = Some(names::selector_text(key));
    status.sources = match &component.role {
        Role::Aggregate { .. } => None,
        Role::Projector { reads, .. } | Role::Saga { reads, .. } => {
            let domains = reads.sources.iter().map(|source| source.domain.as_str());
            Some(listed(domains))
        }
    };
}

/// The longest list that the schema of a status takes, in bytes.
const LONGEST_LIST: usize = 1024;

/// As many names as there is room for.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut list = String::new();
    for name in names {
        if list.len() + name.len() + ",,…".len() > LONGEST_LIST {
            return list + ",…";
        }
        if !list.is_empty() {
            list.push(',');
        }
        list += name;
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_names_has_room_in_the_status() {
        assert_eq!(listed(["cart", "order"].into_iter()), "cart,order");
        let name = "d".repeat(63);
        let long = listed(std::iter::repeat_n(name.as_str(), 64));
        assert!(
            long.len() <= LONGEST_LIST && long.ends_with("d,…"),
            "{long}"
        );
    }
}
