//! A2: a kind counts under its own class, in its own folder, and nowhere else.

use sma_core::{
    Class, Event, Fingerprint, Folder, Form, Hash, MuaaId, OfferView, Phase, Sibling,
    wire::{self, Kind, Protection},
};
use sma_sim::stage::Stage;

use crate::server::{STRANGER, Stranger, deliver, inbox, offered, shown, still_pairs, two};

const KINDS: [Kind; 20] = [
    Kind::Announcement,
    Kind::Request,
    Kind::Offer,
    Kind::Join,
    Kind::Accept,
    Kind::Reject,
    Kind::Abort,
    Kind::Update,
    Kind::Genesis,
    Kind::Add,
    Kind::Remove,
    Kind::Leave,
    Kind::Move,
    Kind::Merge,
    Kind::AccountKey,
    Kind::Alive,
    Kind::Destroy,
    Kind::Veto,
    Kind::Restore,
    Kind::Unknown(99),
];

/// A body that is well-formed for its kind, about the session that is open.
fn body(stage: &Stage, stranger: &Stranger, member: usize, newcomer: usize, kind: Kind) -> Vec<u8> {
    let certificate = stranger.key.certificate.clone();
    let session = shown(stage, member);
    let to = stage.lab.machines[newcomer].muaa.as_ref().unwrap().fingerprint();
    match kind {
        Kind::Announcement => {
            wire::encode(&wire::Announcement { certificate, capabilities: 0, digest: None, moves: None })
        }
        Kind::Request => wire::encode(&wire::Request { certificate, nonce: 1, replaces: None }),
        Kind::Offer => wire::encode(&wire::Offer {
            session: sma_core::SessionId([9; 16]),
            share: stranger.share(sma_core::Side::Member, session),
            certificate,
            to: None,
            expires: stage.lab.now,
            form: Form::Code,
        }),
        Kind::Join => wire::encode(&wire::Join {
            session,
            share: stranger.share(sma_core::Side::Newcomer, session),
            certificate,
            mac: Hash([1; 32]),
            replaces: None,
        }),
        Kind::Accept => {
            wire::encode(&wire::Accept { session, mac: Hash([1; 32]), bundle: vec![1; 64].into() })
        }
        Kind::Reject => wire::encode(&wire::Reject { session: Some(session), to, reason: 1, certificate }),
        Kind::Abort => wire::encode(&wire::Abort { session, to, reason: 1, certificate }),
        Kind::Update
        | Kind::Genesis
        | Kind::Add
        | Kind::Remove
        | Kind::Leave
        | Kind::Move
        | Kind::Merge
        | Kind::AccountKey
        | Kind::Alive
        | Kind::Destroy
        | Kind::Veto
        | Kind::Restore
        | Kind::Unknown(_) => vec![0xa0],
    }
}

fn own_class(kind: Kind) -> Option<Class> {
    match kind.protection() {
        Protection::SelfSigned(class) | Protection::Session(class) => Some(class),
        Protection::Sealed | Protection::Log => None,
    }
}

type View = (Phase, Vec<MuaaId>, Vec<Sibling>, Vec<OfferView>, Vec<Fingerprint>, Option<Hash>);

/// All that a program can see of a device.
fn view(stage: &Stage, at: usize) -> View {
    let muaa = stage.lab.machines[at].muaa.as_ref().unwrap();
    (muaa.phase(), muaa.members(), muaa.siblings(), muaa.offers(), muaa.account().keys, muaa.digest())
}

/// Delivers to both devices and asserts that both ignored it, that nothing changed, and that the open code is still good.
fn is_ignored(scene: &Scene, kind: Kind, class: Class, folders: &[Folder], author: MuaaId, readers: usize) {
    let Scene { mut stage, mut stranger, member, newcomer } = scene.clone();
    let before = [view(&stage, member), view(&stage, newcomer)];
    let told = stage.told.len();
    for folder in folders {
        let body = body(&stage, &stranger, member, newcomer, kind);
        let content = stranger.content(kind, body);
        let envelope = stranger.envelope_of(author, class, content);
        deliver(&mut stage, *folder, envelope);
    }
    stage.settle();
    let what = format!("{kind:?} as {} of {author} in {folders:?}", class.name());
    let news = &stage.told[told..];
    assert!(news.iter().all(|(_, event)| matches!(event, Event::Ignored { .. })), "{what}: {news:?}");
    assert_eq!(news.len(), readers, "{what}: {news:?}");
    assert_eq!([view(&stage, member), view(&stage, newcomer)], before, "{what}");
    assert_eq!(stage.lab.violation, None, "{what}");
    stage.type_code(member, newcomer).unwrap();
    stage.settle();
    assert!(stage.are_paired(&[member, newcomer]), "{what}: the code is not good any more");
}

#[derive(Clone)]
struct Scene {
    stage: Stage,
    stranger: Stranger,
    member: usize,
    newcomer: usize,
}

/// A stranger is announced, and a code is shown.
fn scene() -> Scene {
    let (mut stage, member, newcomer) = two();
    let mut stranger = Stranger::new();
    stranger.announce(&mut stage);
    offered(&mut stage, member, newcomer);
    Scene { stage, stranger, member, newcomer }
}

#[test]
fn a2_every_kind_is_ignored_under_every_class_but_its_own() {
    let scene = scene();
    let member = scene.stage.id(scene.member).unwrap();
    let folders =
        [Folder::Announcements, inbox(&scene.stage, scene.member), inbox(&scene.stage, scene.newcomer)];
    let mut tried = 0;
    for kind in KINDS {
        for class in Class::ALL.into_iter().filter(|class| own_class(kind) != Some(*class)) {
            for author in [STRANGER, member] {
                // The announcements are read by both.
                is_ignored(&scene, kind, class, &folders, author, 4);
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 2 * (KINDS.len() * 8 - 7));
}

#[test]
fn a2_every_kind_is_ignored_in_a_folder_that_is_not_its_own() {
    let scene = scene();
    let inboxes = [inbox(&scene.stage, scene.member), inbox(&scene.stage, scene.newcomer)];
    is_ignored(&scene, Kind::Announcement, Class::Announcement, &inboxes, STRANGER, 2);
    for (kind, class) in [
        (Kind::Request, Class::Request),
        (Kind::Join, Class::Join),
        (Kind::Accept, Class::Accept),
        (Kind::Reject, Class::Reject),
        (Kind::Abort, Class::Abort),
        (Kind::Update, Class::Sync),
    ] {
        is_ignored(&scene, kind, class, &[Folder::Announcements], STRANGER, 2);
    }
}

#[test]
fn a2_what_a_stranger_signs_as_a_kind_of_the_log_makes_nobody_a_member() {
    let Scene { mut stage, mut stranger, member, newcomer } = scene();
    stage.type_code(member, newcomer).unwrap();
    stage.settle();
    assert!(stage.are_paired(&[member, newcomer]));
    let before = [view(&stage, member), view(&stage, newcomer)];
    let group = stage.lab.machines[member].muaa.as_ref().unwrap().group();
    for kind in KINDS.into_iter().filter(|kind| own_class(*kind).is_none()) {
        for class in Class::ALL {
            let mut content = stranger.content(kind, vec![0xa0]);
            content.group = group;
            let envelope = stranger.envelope(class, content);
            for folder in [inbox(&stage, member), inbox(&stage, newcomer), Folder::Announcements] {
                deliver(&mut stage, folder, envelope.clone());
            }
            stage.settle();
        }
    }
    assert_eq!([view(&stage, member), view(&stage, newcomer)], before);
    still_pairs(&mut stage, member, newcomer);
}
