//! `maildir:DIR`: staging.

use crate::setting::{MESSAGE, Setting, entry};

#[tokio::test(flavor = "multi_thread")]
async fn every_copy_becomes_a_file_with_its_envelope_in_front() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("maildir:{}", dir.path().join("staging").display());
    let setting = Setting::over(&url, 4, Default::default(), None);
    setting.deliverer.check().await.unwrap();
    let mut entry = entry(30);
    entry.recipients[3].address = "a\r\nX: y".to_owned();
    let sent = setting.send(&entry).await;
    assert_eq!((sent.done(), sent.code(3)), (29, (553, "5.1.3")));
    let files = |folder: &str| -> Vec<Vec<u8>> {
        let entries = std::fs::read_dir(dir.path().join("staging").join(folder)).unwrap();
        entries.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    };
    let copies = files("new");
    assert_eq!((copies.len(), files("tmp").len(), files("cur").len()), (29, 0, 0));
    let recipient = &entry.recipients[7];
    let expected = format!(
        "Return-Path: <{}>\r\nX-Envelope-To: {}\r\nDelivered-To: {}\r\n{}\r\n",
        recipient.return_path, recipient.address, recipient.address, recipient.headers[0]
    );
    assert!(copies.contains(&[expected.as_bytes(), MESSAGE].concat()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maildir_that_went_away_defers() {
    let dir = tempfile::tempdir().unwrap();
    let setting = Setting::over(&format!("maildir:{}", dir.path().display()), 1, Default::default(), None);
    std::fs::remove_dir_all(dir.path().join("tmp")).unwrap();
    assert_eq!(setting.send(&entry(1)).await.code(0), (451, "4.3.0"));
}
