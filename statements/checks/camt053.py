"""Validates every .xml in a folder by the official schema, and says as JSON what an independent reader finds in it."""

import importlib.metadata
import json
import pathlib
import sys

from lxml import etree
from pyiso20022.camt.camt_053_001_08 import Document
from xsdata.formats.dataclass.parsers import XmlParser

SCHEMA = "camt053/xsd/camt.053.001.08.xsd"
schema = etree.XMLSchema(etree.parse(str(importlib.metadata.distribution("camt053").locate_file(SCHEMA))))


def signed(amount, side):
    return format(-amount if side.value == "DBIT" else amount, "f")


def entry(ntry):
    details = ntry.ntry_dtls[0].tx_dtls[0]
    parties = details.rltd_pties
    party = parties.dbtr_acct or parties.cdtr_acct
    return {
        "id": ntry.ntry_ref,
        "amount": signed(ntry.amt.value, ntry.cdt_dbt_ind),
        "reversal": bool(ntry.rvsl_ind),
        "booked_at": str(ntry.bookg_dt.dt_tm),
        "transfer": details.refs.acct_svcr_ref,
        "reference": details.refs.end_to_end_id,
        "more": details.addtl_tx_inf,
        "counterparty": party.id.othr.id,
        "description": "".join(details.rmt_inf.ustrd) if details.rmt_inf else None,
    }


def read(path):
    schema.assertValid(etree.parse(str(path)))
    stmt = XmlParser().parse(str(path), Document).bk_to_cstmr_stmt.stmt[0]
    opening, closing = stmt.bal
    assert (opening.tp.cd_or_prtry.cd, closing.tp.cd_or_prtry.cd) == ("OPBD", "CLBD")
    summary = stmt.txs_summry
    return {
        "id": stmt.id,
        "account": stmt.acct.id.othr.id,
        "currency": stmt.acct.ccy,
        "holder": stmt.acct.ownr.nm if stmt.acct.ownr else None,
        "bank": stmt.acct.svcr.fin_instn_id.nm,
        "opening": signed(opening.amt.value, opening.cdt_dbt_ind),
        "closing": signed(closing.amt.value, closing.cdt_dbt_ind),
        "debits": format(summary.ttl_dbt_ntries.sum, "f"),
        "credits": format(summary.ttl_cdt_ntries.sum, "f"),
        "count": int(summary.ttl_ntries.nb_of_ntries),
        "entries": [entry(ntry) for ntry in stmt.ntry],
    }


for path in sorted(pathlib.Path(sys.argv[1]).glob("*.xml")):
    print(json.dumps(read(path)))
