//! A statement for machines: ISO 20022 `camt.053.001.08`, BankToCustomerStatement.
//!
//! What stands where is described in `docs/statements.md`. The order of the elements is the schema's.

use std::io;

use chrono::{DateTime, SecondsFormat, Utc};
use quick_xml::events::BytesStart;

use super::xml::Xml;
use super::{BankProfile, DocumentError, Issue};
use crate::limits::{
    ADDRESS_LINES_MAX, AMOUNT_DIGITS_MAX, MAX_34_TEXT, MAX_35_TEXT, MAX_70_TEXT, MAX_140_TEXT, MAX_500_TEXT,
};
use crate::{EntryKind, Line, Statement};

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08";

/// The statement as XML.
///
/// # Errors
/// [`DocumentError::AmountTooLong`]: ISO 20022 has 18 digits for an amount.
pub(super) fn camt053(
    statement: &Statement,
    bank: &BankProfile,
    issue: &Issue,
) -> Result<Vec<u8>, DocumentError> {
    let amounts = [statement.opening(), statement.debits(), statement.credits(), net(statement)];
    let balances = statement.lines().iter().map(|line| line.balance);
    let limit = 10_u128.pow(AMOUNT_DIGITS_MAX);
    if let Some(amount) = amounts.into_iter().chain(balances).find(|amount| amount.unsigned_abs() >= limit) {
        return Err(DocumentError::AmountTooLong(statement.amount(amount)));
    }
    let writer = Camt { statement, bank, issue };
    let mut xml = Xml::begin()?;
    let document = BytesStart::new("Document").with_attributes([("xmlns", NAMESPACE)]);
    xml.element_with(&document, |xml| {
        xml.element("BkToCstmrStmt", |xml| {
            xml.element("GrpHdr", |xml| {
                xml.text(&["MsgId"], &writer.id())?;
                xml.text(&["CreDtTm"], &writer.created_at())
            })?;
            xml.element("Stmt", |xml| writer.statement(xml))
        })
    })?;
    Ok(xml.end())
}

/// When a document of ours says that it was made.
pub(crate) fn created_at(document: &[u8]) -> Option<DateTime<Utc>> {
    let (_, rest) = std::str::from_utf8(document).ok()?.split_once("<CreDtTm>")?;
    rest.split_once("</CreDtTm>")?.0.parse().ok()
}

fn net(statement: &Statement) -> i128 {
    statement.credits().saturating_sub(statement.debits())
}

struct Camt<'a> {
    statement: &'a Statement,
    bank: &'a BankProfile,
    issue: &'a Issue,
}

impl Camt<'_> {
    /// Account, month and issue; at most 35 characters.
    fn id(&self) -> String {
        let (account, month) = (self.statement.account(), self.statement.month());
        at_most(MAX_35_TEXT, &format!("{}-{month}-{}", account.id, self.issue.number))
    }

    fn created_at(&self) -> String {
        self.statement.local(self.issue.issued_at).to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    fn statement(&self, xml: &mut Xml) -> io::Result<()> {
        let month = self.statement.month();
        xml.text(&["Id"], &self.id())?;
        let sequence = format!("{:04}{:02}{:03}", month.year(), month.number(), self.issue.number);
        xml.text(&["ElctrncSeqNb"], &sequence)?;
        xml.text(&["CreDtTm"], &self.created_at())?;
        let (from, to) = self.statement.span();
        xml.element("FrToDt", |xml| {
            xml.text(&["FrDtTm"], &from.to_rfc3339_opts(SecondsFormat::Secs, true))?;
            xml.text(&["ToDtTm"], &to.to_rfc3339_opts(SecondsFormat::Secs, true))
        })?;
        xml.element("Acct", |xml| self.account(xml))?;
        self.balance(xml, "OPBD", self.statement.opening(), &month.first_day().to_string())?;
        self.balance(xml, "CLBD", self.statement.closing(), &month.last_day().to_string())?;
        xml.element("TxsSummry", |xml| self.summary(xml))?;
        for line in self.statement.lines() {
            xml.element("Ntry", |xml| self.entry(xml, line))?;
        }
        match self.issue.replaces {
            Some(before) => {
                let words = format!("Issue {}, replaces issue {before}", self.issue.number);
                xml.text(&["AddtlStmtInf"], &words)
            }
            None => Ok(()),
        }
    }

    fn account(&self, xml: &mut Xml) -> io::Result<()> {
        let account = self.statement.account();
        xml.text(&["Id", "Othr", "Id"], &at_most(MAX_34_TEXT, &account.id.to_string()))?;
        xml.text(&["Ccy"], account.currency.code())?;
        if let Some(reference) = filled(account.reference.as_deref()) {
            xml.text(&["Nm"], &at_most(MAX_70_TEXT, reference))?;
        }
        if let Some(holder) = filled(Some(&account.holder)) {
            xml.text(&["Ownr", "Nm"], &at_most(MAX_140_TEXT, holder))?;
        }
        xml.element("Svcr", |xml| {
            xml.element("FinInstnId", |xml| {
                if let Some(bic) = &self.bank.bic {
                    xml.text(&["BICFI"], bic)?;
                }
                xml.text(&["Nm"], &at_most(MAX_140_TEXT, &self.bank.name))?;
                let lines = self.bank.address.iter().filter_map(|line| filled(Some(line)));
                let lines: Vec<_> = lines.take(ADDRESS_LINES_MAX).collect();
                if lines.is_empty() {
                    return Ok(());
                }
                xml.element("PstlAdr", |xml| {
                    lines.iter().try_for_each(|line| xml.text(&["AdrLine"], &at_most(MAX_70_TEXT, line)))
                })
            })
        })
    }

    fn balance(&self, xml: &mut Xml, code: &str, balance: i128, day: &str) -> io::Result<()> {
        xml.element("Bal", |xml| {
            xml.text(&["Tp", "CdOrPrtry", "Cd"], code)?;
            self.amount(xml, balance)?;
            xml.text(&["Dt", "Dt"], day)
        })
    }

    /// ISO 20022 writes an amount without its sign, and beside it on which side it stands.
    fn amount(&self, xml: &mut Xml, change: i128) -> io::Result<()> {
        let currency = self.statement.account().currency;
        xml.text_with(&["Amt"], &[("Ccy", currency.code())], &self.unsigned(change))?;
        xml.text(&["CdtDbtInd"], if change < 0 { "DBIT" } else { "CRDT" })
    }

    fn unsigned(&self, minor: i128) -> String {
        self.statement.amount(minor.saturating_abs())
    }

    fn summary(&self, xml: &mut Xml) -> io::Result<()> {
        let lines = self.statement.lines();
        let debits = lines.iter().filter(|line| line.booking.kind == EntryKind::Debit).count();
        let (net, total) = (net(self.statement), lines.len());
        xml.element("TtlNtries", |xml| {
            xml.text(&["NbOfNtries"], &total.to_string())?;
            xml.element("TtlNetNtry", |xml| {
                xml.text(&["Amt"], &self.unsigned(net))?;
                xml.text(&["CdtDbtInd"], if net < 0 { "DBIT" } else { "CRDT" })
            })
        })?;
        let credits = total.saturating_sub(debits);
        let sides = [
            ("TtlCdtNtries", credits, self.statement.credits()),
            ("TtlDbtNtries", debits, self.statement.debits()),
        ];
        sides.into_iter().try_for_each(|(name, count, sum)| {
            xml.element(name, |xml| {
                xml.text(&["NbOfNtries"], &count.to_string())?;
                xml.text(&["Sum"], &self.unsigned(sum))
            })
        })
    }

    fn entry(&self, xml: &mut Xml, Line { booking, .. }: &Line) -> io::Result<()> {
        let own_id = format!("{}-{}", self.statement.account().id, booking.revision);
        xml.text(&["NtryRef"], &at_most(MAX_35_TEXT, &own_id))?;
        self.amount(xml, booking.change())?;
        if booking.kind == EntryKind::Reversal {
            xml.text(&["RvslInd"], "true")?;
        }
        xml.text(&["Sts", "Cd"], "BOOK")?;
        let booked_at = self.statement.local(booking.booked_at);
        xml.text(&["BookgDt", "DtTm"], &booked_at.to_rfc3339_opts(SecondsFormat::AutoSi, true))?;
        xml.text(&["ValDt", "Dt"], &booked_at.date_naive().to_string())?;
        let transfer = booking.transfer_id.to_string();
        xml.text(&["AcctSvcrRef"], &transfer)?;
        xml.element("BkTxCd", |xml| {
            let (family, sub_family) = match booking.kind {
                EntryKind::Debit => ("ICDT", "BOOK"),
                EntryKind::Credit => ("RCDT", "BOOK"),
                EntryKind::Reversal => ("ICDT", "RRTN"),
            };
            xml.element("Domn", |xml| {
                xml.text(&["Cd"], "PMNT")?;
                xml.element("Fmly", |xml| {
                    xml.text(&["Cd"], family)?;
                    xml.text(&["SubFmlyCd"], sub_family)
                })
            })
        })?;
        xml.element("NtryDtls", |xml| {
            xml.element("TxDtls", |xml| {
                let reference = filled(booking.reference.as_deref());
                xml.element("Refs", |xml| {
                    xml.text(&["AcctSvcrRef"], &transfer)?;
                    match reference {
                        Some(reference) => xml.text(&["EndToEndId"], &at_most(MAX_35_TEXT, reference)),
                        None => Ok(()),
                    }
                })?;
                self.amount(xml, booking.change())?;
                // A reversal keeps the parties of the debit that it takes back.
                let party = match booking.kind {
                    EntryKind::Debit | EntryKind::Reversal => "CdtrAcct",
                    EntryKind::Credit => "DbtrAcct",
                };
                xml.text(&["RltdPties", party, "Id", "Othr", "Id"], &booking.counterparty.to_string())?;
                if let Some(description) = filled(booking.description.as_deref()) {
                    xml.element("RmtInf", |xml| {
                        pieces(MAX_140_TEXT, description).try_for_each(|piece| xml.text(&["Ustrd"], &piece))
                    })?;
                }
                match reference {
                    Some(reference) if reference.chars().count() > MAX_35_TEXT => {
                        xml.text(&["AddtlTxInf"], &at_most(MAX_500_TEXT, reference))
                    }
                    Some(_) | None => Ok(()),
                }
            })
        })
    }
}

/// No element of this schema may be empty.
fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn at_most(chars_max: usize, text: &str) -> String {
    text.chars().take(chars_max).collect()
}

/// A long text in pieces.
fn pieces(chars_max: usize, text: &str) -> impl Iterator<Item = String> {
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || {
        chars.peek()?;
        Some(chars.by_ref().take(chars_max).collect())
    })
}

#[cfg(test)]
#[path = "camt053_tests.rs"]
mod tests;
