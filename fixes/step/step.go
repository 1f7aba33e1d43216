// Package step has the kinds of steps that plans are made of. Those of accounts, which share a reading of the directory,
// have a package of their own.
//
// A kind is a type that implements plan.Step, and one line in Kinds. It says what else it can do by implementing
// interfaces of package plan: see plan.Write first.
package step

import (
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step/account"
)

// Kinds lists every kind of step, for those who read plans. Kinds that were used once stay: journals name them.
func Kinds() plan.Kinds {
	return plan.Kinds{
		plan.KindOf[account.SetAttribute](),
		plan.KindOf[account.CreateRecord](),
		plan.KindOf[account.DeleteRecord](),
		plan.KindOf[account.KeepNames](),
		plan.KindOf[account.ProbeConsent](),
		plan.KindOf[account.ReadBack](),
		plan.KindOf[account.FlushAccounts](),
		plan.KindOf[WriteFile](),
		plan.KindOf[SetMode](),
		plan.KindOf[SetLink](),
		plan.KindOf[StopService](),
		plan.KindOf[StartService](),
		plan.KindOf[RequireIdle](),
		plan.KindOf[EndProcess](),
		plan.KindOf[ContinueProcess](),
		plan.KindOf[EnableUnit](),
		plan.KindOf[StartUnit](),
		plan.KindOf[RestartUnit](),
		plan.KindOf[LoadModule](),
		plan.KindOf[MakeDir](),
		plan.KindOf[RemoveDir](),
		plan.KindOf[ReloadUnits](),
		plan.KindOf[ResetFailed](),
		plan.KindOf[StopUnit](),
		plan.KindOf[AwaitDaemon](),
		plan.KindOf[TryBuild](),
	}
}
